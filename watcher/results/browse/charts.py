"""Charts as shapes of a square of 100, which a page stretches to the room that there is. Their texts are the page's own.

So letters keep their size on a phone, colours follow the page, and no program is needed to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watcher.results.browse import words

FULL = 100.0
GAP = 0.18  # of a column's width
MOST_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `series` is its colour, 0 for what is left over."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval."""

    x: float
    y: float
    low: float
    high: float
    mark: str  # a class of the style sheet
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure; `table` holds the same for those who would rather read it."""

    title: str
    summary: str  # what it shows, in a sentence
    bars: Sequence[Bar] = ()
    points: Sequence[Point] = ()
    line: str = ""  # through the points
    y_ticks: Sequence[str] = ()  # from the top
    x_ticks: Sequence[str] = ()
    even: bool = False  # whether each column has its own, below its middle
    legend: Sequence[tuple[int, str]] = ()
    head: Sequence[str] = ()
    table: Sequence[Sequence[str]] = field(default_factory=tuple)


def stacked(
    title: str, summary: str, columns: Sequence[str], series: Mapping[str, Sequence[int]], *, first: int = 1
) -> Chart:
    """Columns, each of several values on top of each other. The series of an empty name is what is left over."""
    sums = [sum(values) for values in zip(*series.values(), strict=True)] if series else [0] * len(columns)
    top = nice(max(sums, default=0))
    width = FULL / max(1, len(columns))
    bars = []
    base = [0.0] * len(columns)
    colours = {name: (first + place if name else 0) for place, name in enumerate(series)}
    for name, values in series.items():
        for place, value in enumerate(values):
            if value:
                height = FULL * value / top
                base[place] += height
                said = f"{columns[place]}, {words.tidy(name, 80) or 'others'}: {words.number(value)}"
                x, y = (place + GAP / 2) * width, FULL - base[place]
                bars.append(Bar(_r(x), _r(y), _r(width * (1 - GAP)), _r(height), colours[name], said))
    return Chart(
        title=title,
        summary=summary,
        bars=bars,
        y_ticks=[words.number(top), words.number(top // 2) if top > 1 else "", "0"],
        x_ticks=_some(columns),
        legend=[(colours[name], words.tidy(name, 60) or "others") for name in series],
        head=["", *(words.tidy(name, 60) or "others" for name in series)],
        table=[
            [column, *(words.number(values[place]) for values in series.values())]
            for place, column in enumerate(columns)
            if sums[place]
        ],
    )


def shares(title: str, summary: str, columns: Sequence[str], values: Sequence[tuple[int, int]]) -> Chart:
    """Columns that are a part of a whole: each value is how many, of how many."""
    found = [some / of for some, of in values if of]
    top = _top(max(found, default=0.0))
    width = FULL / max(1, len(columns))
    bars = []
    for place, (some, of) in enumerate(values):
        if some and of:
            height = FULL * some / of / top
            said = f"{columns[place]}: {words.part(some, of)}, {words.number(some)} of {words.number(of)}"
            x = (place + GAP / 2) * width
            bars.append(Bar(_r(x), _r(FULL - height), _r(width * (1 - GAP)), _r(height), 1, said))
    return Chart(
        title=title,
        summary=summary,
        bars=bars,
        y_ticks=[f"{100 * top:g}{words.THIN}%", f"{50 * top:g}{words.THIN}%", "0"],
        x_ticks=_some(columns),
        head=["", "Share", "Pictures", "Of"],
        table=[
            [columns[place], words.part(some, of), words.number(some), words.number(of)]
            for place, (some, of) in enumerate(values)
            if of
        ],
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of a version, with its interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    mark: str
    said: str


def measured(title: str, values: Sequence[Measured]) -> Chart:
    """Points from left to right, each with its interval, between the lowest that there is and 1."""
    lows = [value.value if value.low is None else value.low for value in values]
    floor = max(0.0, math.floor(20 * min([*lows, 1.0])) / 20)
    floor = min(floor, 0.95)

    def y(value: float) -> float:
        return _r(FULL * (1 - (value - floor) / (1 - floor)))

    step = FULL / max(1, len(values))
    points = [
        Point(
            _r((place + 0.5) * step),
            y(value.value),
            y(value.value if value.low is None else value.low),
            y(value.value if value.high is None else value.high),
            value.mark,
            f"{value.name}, {value.said}: {interval(value)}",
        )
        for place, value in enumerate(values)
    ]
    return Chart(
        title=title,
        summary=f"{title} of {words.plural(len(values), 'version')}, each with its 95{words.THIN}% interval.",
        points=points,
        line=" ".join(f"{point.x},{point.y}" for point in points) if len(points) > 1 else "",
        y_ticks=["1", f"{(1 + floor) / 2:.3g}", f"{floor:.2g}"],
        x_ticks=_some([value.name for value in values]),
        even=len(values) <= MOST_TICKS,
        head=["Version", title, "95 % interval", "Run"],
        table=[[value.name, f"{value.value:.3f}", interval(value, alone=True), value.said] for value in values],
    )


def interval(value: Measured, *, alone: bool = False) -> str:
    known = value.low is not None and value.high is not None
    between = f"{value.low:.3f} to {value.high:.3f}" if known else words.NOTHING
    if alone:
        return between
    return f"{value.value:.3f} ({between})" if known else f"{value.value:.3f}"


def nice(value: float) -> int:
    """The next number above that is easy to read and to halve."""
    if value <= 1:
        return 2 if value else 1
    power = int(10 ** math.floor(math.log10(value)))
    steps = (1, 2, 3, 4, 5, 6, 8, 10) if power > 1 else (2, 4, 6, 8, 10)
    return next(step for step in steps if step * power >= value) * power


def _top(share: float) -> float:
    return next((top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8) if share <= top), 1.0)


def _some(names: Sequence[str], most: int = MOST_TICKS) -> list[str]:
    """As many as there is room for, evenly spread, with the first and the last."""
    if len(names) <= most:
        return list(names)
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]


def _r(value: float) -> float:
    return round(value, 2)
