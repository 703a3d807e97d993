"""What the pictures come to: a day, by label, by score; what needs review and what fails. All of it from the counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from watcher.results.browse import charts, words
from watcher.results.browse.charts import Chart
from watcher.results.records import State
from watcher.results.tables import HourCountRow, ImageRow, ModelVersionRow, ScoreCountRow, utc_text

DAYS = (7, 30, 90)
LABELS = 6  # that have a colour of their own
STEPS = 20  # of a score
REASONS = 1000  # newest failures whose reasons are counted
COUNTED = (State.DONE.value, State.DUPLICATE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why pictures failed."""

    reason: str
    pictures: int
    newest: int  # of them
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """All that the dashboard shows; the days are those up to the last that has a picture."""

    first_day: str
    last_day: str
    total: int
    on_last_day: int
    to_review: int
    classified: int
    failed: int
    models: Sequence[str]
    by_day: Chart
    review: Chart
    failures: Chart
    scores: Sequence[tuple[str, int, Chart]]  # label, pictures
    reasons: Sequence[Reason]
    reasons_of: int


def dashboard(connection: Connection, model: str, days: int) -> Dashboard | None:
    """Of one model or of all; None where there is no picture."""
    newest = connection.scalar(select(func.max(HourCountRow.hour)))
    if newest is None:
        return None
    versions = _versions(connection, model)
    last = date.fromisoformat(newest[:10])
    every = [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]
    cells = _by_day(connection, versions, every[0])
    totals = _totals(connection, versions)
    reasons, of = _reasons(connection)
    return Dashboard(
        first_day=every[0],
        last_day=every[-1],
        total=sum(pictures for pictures, _ in totals.values()),
        on_last_day=sum(cell.pictures for cell in cells if cell.day == every[-1]),
        to_review=sum(totals[state][1] for state in COUNTED),
        classified=sum(totals[state][0] for state in COUNTED),
        failed=totals[State.FAILED.value][0],
        models=list(connection.scalars(select(ModelVersionRow.model).distinct().order_by(ModelVersionRow.model))),
        by_day=_daily(every, cells),
        review=_review(every, cells),
        failures=_failures(every, cells),
        scores=_scores(connection, versions),
        reasons=reasons,
        reasons_of=of,
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    day: str
    state: str
    label: str
    pictures: int
    to_review: int


def _versions(connection: Connection, model: str) -> list[int] | None:
    if not model:
        return None
    return list(connection.scalars(select(ModelVersionRow.id).where(ModelVersionRow.model == model)))


def _of(table: Any, versions: list[int] | None) -> list[Any]:
    """A model's pictures. What failed is no model's, and counts for all."""
    return [] if versions is None else [table.model_version_id.in_([0, *versions])]


def _by_day(connection: Connection, versions: list[int] | None, since: str) -> list[_Cell]:
    day = func.substr(HourCountRow.hour, 1, 10)
    sums = func.sum(HourCountRow.pictures), func.sum(HourCountRow.to_review)
    found = (
        select(day, HourCountRow.state, HourCountRow.label, *sums)
        .where(HourCountRow.hour >= since, *_of(HourCountRow, versions))
        .group_by(day, HourCountRow.state, HourCountRow.label)
    )
    return [_Cell(*row) for row in connection.execute(found)]


def _totals(connection: Connection, versions: list[int] | None) -> Mapping[str, tuple[int, int]]:
    sums = func.sum(ScoreCountRow.pictures), func.sum(ScoreCountRow.to_review)
    found = select(ScoreCountRow.state, *sums).where(*_of(ScoreCountRow, versions)).group_by(ScoreCountRow.state)
    totals: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    totals |= {state: (int(pictures), int(to_review)) for state, pictures, to_review in connection.execute(found)}
    return totals


def _daily(days: Sequence[str], cells: Sequence[_Cell]) -> Chart:
    of_label: Counter[str] = Counter()
    for cell in cells:
        if cell.state in COUNTED:
            of_label[cell.label] += cell.pictures
    named = [label for label, _ in of_label.most_common(LABELS)]
    place = {day: number for number, day in enumerate(days)}
    series = {label: [0] * len(days) for label in [*named, *([""] if len(of_label) > LABELS else [])]}
    for cell in cells:
        if cell.state in COUNTED and cell.day in place:
            series[cell.label if cell.label in named else ""][place[cell.day]] += cell.pictures
    total = sum(of_label.values())
    summary = f"{words.plural(total, 'picture')} with a label, from {words.day(days[0])} to {words.day(days[-1])}."
    return charts.stacked("Pictures a day by label", summary, [words.short_day(day) for day in days], series)


def _review(days: Sequence[str], cells: Sequence[_Cell]) -> Chart:
    some: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for cell in cells:
        if cell.state in COUNTED:
            some[cell.day] += cell.to_review
            of[cell.day] += cell.pictures
    share = words.part(sum(some.values()), sum(of.values()))
    summary = f"The share of a day's pictures that a person should look at; {share} in all."
    values = [(some[day], of[day]) for day in days]
    return charts.shares("Needs review", summary, [words.short_day(day) for day in days], values)


def _failures(days: Sequence[str], cells: Sequence[_Cell]) -> Chart:
    failed: Counter[str] = Counter()
    for cell in cells:
        if cell.state == State.FAILED.value:
            failed[cell.day] += cell.pictures
    total = sum(failed.values())
    summary = f"{words.plural(total, 'picture')} could not be read." if total else "No picture failed in these days."
    series = {"failed": [failed[day] for day in days]} if total else {}
    days_said = [words.short_day(day) for day in days]
    return charts.stacked("Failures a day", summary, days_said, series, first=charts_of_failures)


charts_of_failures = 7  # a colour of its own


def _scores(connection: Connection, versions: list[int] | None) -> list[tuple[str, int, Chart]]:
    """Of the most frequent labels."""
    conditions = [ScoreCountRow.state.in_(COUNTED), ScoreCountRow.step >= 0, *_of(ScoreCountRow, versions)]
    number = func.sum(ScoreCountRow.pictures)
    most = select(ScoreCountRow.label, number).where(*conditions).group_by(ScoreCountRow.label)
    labels = [
        (label, int(pictures))
        for label, pictures in connection.execute(most.order_by(number.desc(), ScoreCountRow.label).limit(LABELS))
        if pictures > 0
    ]
    spread: dict[str, list[int]] = {label: [0] * STEPS for label, _ in labels}
    each = (
        select(ScoreCountRow.label, ScoreCountRow.step, number)
        .where(*conditions, ScoreCountRow.label.in_(list(spread)))
        .group_by(ScoreCountRow.label, ScoreCountRow.step)
    )
    for label, step, pictures in connection.execute(each):
        spread[label][step] = int(pictures)
    ranges = [f"{5 * step} to {5 * step + 5}{words.THIN}%" for step in range(STEPS)]
    return [(label, pictures, _histogram(label, ranges, spread[label])) for label, pictures in labels]


def _histogram(label: str, ranges: Sequence[str], values: Sequence[int]) -> Chart:
    peak = max(range(len(values)), key=values.__getitem__)
    summary = f"Most often {ranges[peak]}."
    chart = charts.stacked(words.tidy(label, 60), summary, ranges, {"pictures": values})
    return charts.Chart(
        title=chart.title,
        summary=summary,
        bars=chart.bars,
        y_ticks=chart.y_ticks,
        x_ticks=["0", "50", f"100{words.THIN}%"],
        head=["Score", "Pictures"],
        table=chart.table,
    )


def _reasons(connection: Connection) -> tuple[list[Reason], int]:
    """Why the newest of the failed pictures failed, the most frequent first."""
    newest = (
        select(ImageRow.id, ImageRow.reason, ImageRow.finished_at)
        .where(ImageRow.state == State.FAILED)
        .order_by(ImageRow.finished_at.desc())
        .limit(REASONS)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(newest):
        found.setdefault(row.reason or "", []).append(row)
    reasons = [
        Reason(reason=reason, pictures=len(rows), newest=rows[0].id, at=utc_text(rows[0].finished_at))
        for reason, rows in found.items()
    ]
    most_first = sorted(reasons, key=lambda reason: -reason.pictures)
    return most_first[:20], sum(map(len, found.values()))
