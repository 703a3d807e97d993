"""The annotated copy: the picture, untouched, and below it a panel that says what it shows.

The best label and its score stand in large type, the next labels follow, each with a bar. All bars begin
at the same place and have one scale, so their lengths can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from watcher.vision.fonts import REGULAR, SEMIBOLD
from watcher.vision.heatmap import LEGEND, HeatMap, warm
from watcher.vision.lettering import Line, clean, fitted, line

Colour = tuple[int, int, int]

SHOWN = 5  # labels
NAMELESS = "\N{EN DASH}"  # for a label without anything to draw

# An em is 1.5 % of the copy's larger side, so that a copy scaled down to a screen's 1000 px has type of some
# 15 px. Below 13 px letters lose their shapes.
SIDE, SMALLEST_EM = 66, 13  # em; px
NARROWEST = 22  # em: a headline of some fifteen letters, and its score
# What the panel may add, in pixels. Only strips a thousand times longer than wide come near it; their type
# is set smaller, down to the smallest em, and where that does not help, they get no panel.
MOST_ADDED = 48_000_000

REVIEW = "needs review"
UNSURE = 0.5  # a best label less likely than all the others together does not get the full accent
TINY = 1e-6  # by how much float32 sums may miss 0 and 1

# Blue from the palette that Okabe and Ito made for all kinds of colour vision (https://jfly.uni-koeln.de/color/);
# every text has a contrast of 5:1 or more (WCAG 2.2, 1.4.3), every bar 3:1 (1.4.11).
PAPER: Colour = (255, 255, 255)
MAT: Colour = (236, 239, 242)  # beside a picture narrower than its panel
RULE: Colour = (208, 213, 219)
TRACK: Colour = (230, 234, 238)
INK: Colour = (28, 35, 43)
SOFT: Colour = (88, 98, 110)
ACCENT: Colour = (0, 114, 178)
MUTED: Colour = (120, 144, 166)
RIGHT: Colour = (0, 112, 84)  # with a word beside them, for colour alone tells some people nothing
WRONG: Colour = (176, 32, 32)


@dataclass(frozen=True, slots=True)
class _Row:
    """A label, its score (or what is said of it) and its bar; lengths in pixels, heights from the row's top."""

    label: Line
    score: Line
    share: float
    colour: Colour
    baseline: int
    bar: tuple[int, int] | None  # top and bottom
    height: int  # to the top of the next row
    ink: Colour = INK


@dataclass(frozen=True, slots=True)
class _Panel:
    """What stands below the picture."""

    rows: list[_Row]
    note: Line
    note_baseline: int
    height: int
    margin: int


def annotate(
    picture: Image.Image,
    predictions: Sequence[tuple[str, float]],
    note: str = "",
    truth: str | None = None,
    heat: HeatMap | None = None,
    *,
    doubtful: bool = False,
) -> Image.Image:
    """A new RGB image: `picture` (mode RGB, any size) at (0, 0), pixel for pixel, and a panel below it.

    `predictions` are labels in any script with their scores (0..1), the best first; five of them are
    shown. `note` is a small last line, such as the model's name and version. `truth`, the label that is known
    to be true, stands below the best one with the word right or wrong. `heat` is drawn over the picture. What is `doubtful` says so. The canvas is wider than a picture
    that is too narrow for legible type. Only a strip of more than 160,000 px may get no panel.
    Safe to call from several threads. Raises ValueError for another mode, no predictions, or a score that
    is not a probability.
    """
    if picture.mode != "RGB":
        raise ValueError(f"an RGB picture is needed, not {picture.mode}")
    if not predictions:
        raise ValueError("there are no predictions to show")
    shown = [(label, _probability(score)) for label, score in predictions[:SHOWN]]
    em = type_size(*picture.size, rows=len(shown) + (truth is not None))
    panel = None
    if em is None:
        canvas = picture.copy()
    else:
        width = max(picture.width, NARROWEST * em)
        said = ", ".join(filter(None, (REVIEW if doubtful else "", note, LEGEND if heat else "")))
        panel = _compose(shown, said, truth, width, em, doubtful=doubtful)
        canvas = _mount(picture, width, panel.height)
    if heat:
        warm(canvas, heat)
    if panel and em:
        _draw(canvas, picture.height, panel, em)
    return canvas


def type_size(width: int, height: int, rows: int = SHOWN) -> int | None:
    """Pixels per em for the panel of a picture of this size; None where no legible panel fits in memory."""
    panel = 5 + 2 * rows  # em, about; some scripts stand higher
    em = max(SMALLEST_EM, math.ceil(width / SIDE), math.ceil(height / (SIDE - panel)))
    while max(width, NARROWEST * em) * (height + panel * em) - width * height > MOST_ADDED:
        if em == SMALLEST_EM:
            return None
        em = max(SMALLEST_EM, em * 15 // 16)
    return em


def percent(score: float) -> str:
    """`score` (0..1) with one decimal; what is not quite all or nothing is never rounded to it."""
    text = f"{100 * score:.1f} %"
    if text == "100.0 %" and score < 1:
        return "> 99.9 %"
    if text == "0.0 %" and score > 0:
        return "< 0.1 %"
    return text


def _probability(score: float) -> float:
    if not -TINY <= score <= 1 + TINY:  # false for NaN, too
        raise ValueError(f"a score lies between 0 and 1, not at {score}")
    return min(max(float(score), 0.0), 1.0)


def _compose(
    shown: list[tuple[str, float]], note: str, truth: str | None, width: int, em: int, *, doubtful: bool
) -> _Panel:
    """Sets all lines; only then is the panel's height known, for some scripts stand higher than others."""
    margin = em
    inner = width - 2 * margin
    rows = [_row(label, score, inner, em, best=not at, sure=not doubtful) for at, (label, score) in enumerate(shown)]
    if truth is not None:
        rows.insert(1, _truth(truth, inner, em, right=truth == shown[0][0]))
    height = margin + sum(row.height for row in rows)
    small = fitted(note, inner, max(SMALLEST_EM - 1, round(0.85 * em)))
    baseline = height + max(small.above, round(0.7 * em))
    if small.ink:
        height = baseline + max(small.below, round(0.25 * em)) + em // 2
    return _Panel(rows, small, baseline, height + em // 4, margin)


def _row(label: str, score: float, inner: int, em: int, *, best: bool, sure: bool) -> _Row:
    size, weight = (round(1.45 * em), SEMIBOLD) if best else (em, REGULAR)
    number = line(percent(score), size, weight)
    name = fitted(clean(label) or NAMELESS, inner - number.width - size, size, weight)
    baseline = max(name.above, round(0.75 * size))
    top = baseline + max(name.below, round(0.3 * size)) + max(2, em // 5)
    bottom = top + (round(0.55 * em) if best else max(4, round(0.3 * em)))
    colour = ACCENT if best and sure and score >= UNSURE else MUTED
    gap = round(0.9 * em) if best else round(0.65 * em)
    return _Row(name, number, score, colour, baseline, (top, bottom), bottom + gap)


def _truth(label: str, inner: int, em: int, *, right: bool) -> _Row:
    verdict = line("right" if right else "wrong", em, SEMIBOLD)
    name = fitted(f"truth: {clean(label) or NAMELESS}", inner - verdict.width - em, em, SEMIBOLD)
    baseline = max(name.above, round(0.75 * em))
    height = baseline + max(name.below, round(0.3 * em)) + em
    return _Row(name, verdict, 0, PAPER, baseline, None, height, RIGHT if right else WRONG)


def _mount(picture: Image.Image, width: int, added: int) -> Image.Image:
    """The picture on its canvas, each pixel of which is written once."""
    canvas = Image.new("RGB", (width, picture.height + added), None)
    canvas.paste(picture, (0, 0))
    canvas.paste(MAT, (picture.width, 0, width, picture.height))
    canvas.paste(PAPER, (0, picture.height, width, canvas.height))
    return canvas


def _draw(canvas: Image.Image, top: int, panel: _Panel, em: int) -> None:
    canvas.paste(RULE, (0, top, canvas.width, top + max(1, em // 13)))
    left, right = panel.margin, canvas.width - panel.margin
    at = top + panel.margin
    for row in panel.rows:
        _write(canvas, row.label, left, at + row.baseline, row.ink)
        _write(canvas, row.score, right - row.score.width, at + row.baseline, row.ink)
        if row.bar:
            low, high = (at + edge for edge in row.bar)
            end = left + round(row.share * (right - left))
            canvas.paste(row.colour, (left, low, end, high))
            canvas.paste(TRACK, (end, low, right, high))
        at += row.height
    _write(canvas, panel.note, left, top + panel.note_baseline, SOFT)


def _write(canvas: Image.Image, text: Line, x: int, baseline: int, colour: Colour) -> None:
    if text.ink:
        canvas.paste(colour, (x + text.left, baseline + text.top), text.ink)
