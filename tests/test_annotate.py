"""The annotated copy: the picture as it was, and a panel that can be read and measured."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from watcher.vision import annotate as room
from watcher.vision.annotate import annotate, percent, type_size

Pixels = npt.NDArray[np.uint8]
Predictions = Sequence[tuple[str, float]]

CELL = [("Parasitized", 0.973), ("Uninfected", 0.027)]
DOGS = [("German_shepherd", 0.61), ("malinois", 0.2), ("牧羊犬", 0.1), ("كلب", 0.05), ("kelpie", 0.0004)]
SIZES = [
    (1, 1),
    (1, 500),
    (500, 1),
    (32, 32),
    (64, 64),
    (128, 128),
    (500, 375),
    (640, 33),
    (32, 2000),
    (3000, 32),
]
BARS = (room.ACCENT, room.MUTED, room.TRACK)
CELLS = Path(__file__).parents[2] / "shared/data/malaria-cells"


def _picture(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width * 9973 + height).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def _panel(predictions: Predictions, size: tuple[int, int] = (500, 2), note: str = "") -> Pixels:
    """The pixels of the panel alone, without the line that parts it from the picture."""
    copy = np.asarray(annotate(_picture(*size), predictions, note))
    em = type_size(*size, rows=len(predictions[:5])) or 0
    return copy[size[1] + max(1, em // 13) :]


def _same(pixels: Pixels, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    return np.asarray((pixels == colour).all(axis=-1))


def _bars(panel: Pixels) -> list[tuple[int, int, int, int]]:
    """Each bar as (first row, left, end of what is filled, right), found by colour alone."""
    track = _same(panel, room.TRACK)
    filled = _same(panel, room.ACCENT) | _same(panel, room.MUTED)
    solid = (track | filled).sum(axis=1) >= panel.shape[1] // 2
    found = []
    for is_bar, rows in groupby(range(len(panel)), key=lambda row: solid[row]):
        if is_bar:
            top = next(rows)
            (columns,) = np.nonzero(track[top] | filled[top])
            left, right = int(columns[0]), int(columns[-1]) + 1
            found.append((top, left, left + int(filled[top].sum()), right))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_is_untouched(size: tuple[int, int]) -> None:
    """Every pixel of the picture is in the copy, at the same place, and the original is not changed."""
    picture = _picture(*size)
    before = picture.tobytes()
    copy = annotate(picture, DOGS, "xception 1")
    assert copy.mode == "RGB"
    assert copy.crop((0, 0, *size)).tobytes() == before == picture.tobytes()


@pytest.mark.shared
@pytest.mark.skipif(not CELLS.is_dir(), reason="../shared/data is not here")
def test_a_real_cell_is_untouched() -> None:
    """A blood cell, whose colours matter, is in its copy pixel for pixel."""
    with Image.open(min(CELLS.glob("Parasitized/*.png"))) as file:
        cell = file.convert("RGB")
    assert annotate(cell, CELL, "malaria 3").crop((0, 0, *cell.size)).tobytes() == cell.tobytes()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.sampled_from([(32, 32), (500, 2), (1600, 2)]))
@settings(deadline=None)
def test_bars_are_as_long_as_the_scores(scores: list[float], size: tuple[int, int]) -> None:
    """Five bars at most, one for each label, with one start and one scale, filled in proportion."""
    bars = _bars(_panel([(f"label {at}", score) for at, score in enumerate(scores)], size))
    assert len(bars) == min(len(scores), 5)
    assert len({(left, right) for _, left, _, right in bars}) == 1
    for (_, left, end, right), score in zip(bars, scores, strict=False):
        assert abs((end - left) - score * (right - left)) <= 0.5 + 1e-6


def test_two_classes_have_two_bars() -> None:
    """A model of two classes shows both."""
    assert len(_bars(_panel(CELL, (128, 128), "malaria 3"))) == 2


@pytest.mark.parametrize("label", ["W" * 200, "感染细胞" * 50, "خلية مصابة " * 20, "a " * 100, "x" * 100_000])
@pytest.mark.parametrize("width", [32, 300, 900])
def test_long_labels_leave_the_score_alone(label: str, width: int) -> None:
    """However long a label, its row shows the same score as a short one's, with room before it."""
    for at in (0, 1):
        predictions = [("a", 0.4), ("a", 0.3)]
        short = _row(_panel(predictions, (width, 2)), at)
        predictions[at] = (label, predictions[at][1])
        long = _row(_panel(predictions, (width, 2)), at)
        start = _last_gap(short) + 1
        assert np.array_equal(_columns(short)[start:], _columns(long)[start:])
        gap = _last_gap(long)
        assert not _columns(long)[gap - 8 : gap + 1].any()
        assert _columns(long)[: gap - 8].any()


def _row(panel: Pixels, at: int) -> Pixels:
    """What stands between one bar and the next."""
    bars = _bars(panel)
    top = bars[at - 1][0] + 8 if at else 0
    return panel[top : bars[at][0]]


def _columns(row: Pixels) -> npt.NDArray[np.int64]:
    """How much ink each column has."""
    ink: npt.NDArray[np.int64] = (255 - row.min(axis=2).astype(np.int64)).sum(axis=0)
    return ink


def _last_gap(row: Pixels) -> int:
    """The last column of the widest blank stretch between two that have ink: there the score begins."""
    columns = _columns(row)
    (inked,) = np.nonzero(columns)
    at = int(np.argmax(np.diff(inked)))
    return int(inked[at + 1]) - 1


@given(
    st.lists(st.tuples(st.text(st.characters(), max_size=60), st.floats(0, 1)), min_size=1, max_size=6),
    st.text(),
)
@example([("a" + "\u0316\u0301" * 9, 0.5)] * 3, "")  # heaps of marks, above and below
@settings(deadline=None)
def test_nothing_leaves_the_panel(predictions: list[tuple[str, float]], note: str) -> None:
    """Whatever the labels and the note, the panel's edges stay blank, and no ink lies on or at a bar."""
    panel = _panel(predictions, (40, 3), note)
    edges = (panel[:2], panel[-2:], panel[:, :4], panel[:, -4:])
    assert all(_same(edge, room.PAPER).all() for edge in edges)
    for top, left, _, right in _bars(panel):
        column = panel[top:, right - 1]
        height = int(np.argmax(_same(column, room.PAPER)))
        bar = panel[top : top + height, left:right]
        assert (_same(bar, room.ACCENT) | _same(bar, room.MUTED) | _same(bar, room.TRACK)).all()
        assert _same(panel[[top - 1, top + height]], room.PAPER).all()


@pytest.mark.parametrize("size", [*SIZES, (2000, 3000), (3000, 2000), (4000, 4000), (32, 8000), (8000, 6000)])
def test_type_is_legible(size: tuple[int, int]) -> None:
    """A capital is 9 pixels high or more, and so it is where the copy is scaled to a screen's 1000 pixels."""
    copy = annotate(Image.new("RGB", size), [("H", 0.9), ("H", 0.1)])
    panel = np.asarray(copy.crop((0, size[1] + 4, *copy.size)))
    dark = panel[:, : copy.width // 3].max(axis=2).min(axis=1) < 100
    heights = [len(list(rows)) for inked, rows in groupby(dark.tolist()) if inked]
    assert min(heights) >= 9
    assert min(heights) * 1000 / max(copy.size) >= 9 or max(copy.size) < 1000
    assert heights[0] > 1.3 * heights[-1]  # the headline stands out


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 5))
def test_no_picture_needs_a_vast_canvas(width: int, height: int, rows: int) -> None:
    """Type is never below 13 px, the panel's pixels are bounded, and only very long pictures get none."""
    em = type_size(width, height, rows)
    if em is None:
        assert max(width, height) > 150_000
        return
    assert em >= room.SMALLEST_EM
    across = max(width, room.NARROWEST * em)
    assert across * (height + (5 + 2 * rows) * em) - width * height <= room.MOST_ADDED


def test_a_picture_without_room_for_a_panel_is_copied() -> None:
    """A picture too long for any panel comes back as it is, and as a new image."""
    picture = Image.new("RGB", (1_000_000, 1), "red")
    copy = annotate(picture, CELL)
    assert copy is not picture
    assert copy.size == picture.size
    assert copy.tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (1.0, "100.0 %"),
        (0.9999, "> 99.9 %"),
        (0.9995001, "> 99.9 %"),
        (0.9994, "99.9 %"),
        (0.973, "97.3 %"),
        (0.5, "50.0 %"),
        (0.0006, "0.1 %"),
        (0.0004, "< 0.1 %"),
        (1e-30, "< 0.1 %"),
        (0.0, "0.0 %"),
    ],
)
def test_scores_are_never_rounded_to_certainty(score: float, text: str) -> None:
    """Only a score of exactly one reads 100.0 %, and only zero reads 0.0 %."""
    assert percent(score) == text


def test_an_unsure_answer_has_no_accent() -> None:
    """The accent is for a best label that is likelier than not, and for no other row."""
    assert _same(_panel([("a", 0.51), ("b", 0.49)]), room.ACCENT).any()
    assert not _same(_panel([("a", 0.49), ("b", 0.48)]), room.ACCENT).any()
    panel = _panel([("a", 0.9), ("b", 0.9)])
    assert not _same(panel[_bars(panel)[1][0] :], room.ACCENT).any()


def test_labels_and_note_are_drawn() -> None:
    """Each label, each score and the note change the picture of the panel."""
    panels = [
        _panel([("感染", 0.6), ("b", 0.4)], note="m 1"),
        _panel([("健康", 0.6), ("b", 0.4)], note="m 1"),
        _panel([("感染", 0.6), ("c", 0.4)], note="m 1"),
        _panel([("感染", 0.6), ("b", 0.4)], note="m 2"),
        _panel([("感染", 0.61), ("b", 0.4)], note="m 1"),
    ]
    assert len({panel.tobytes() for panel in panels}) == len(panels)


@pytest.mark.parametrize("label", ["a\nb", "a\r\n\tb", "a\x00b", "\u202ea b\u202c", "a \u200e b", " a  b "])
def test_odd_characters_change_nothing(label: str) -> None:
    """Controls, line breaks and direction overrides in a label are blanks, or nothing at all."""
    assert np.array_equal(_panel([(label, 0.5)]), _panel([("a b", 0.5)]))


def test_a_label_without_letters_is_a_dash() -> None:
    """A row whose label has nothing to draw still shows where a label would be."""
    dash = _panel([(room.NAMELESS, 0.5)])
    assert np.array_equal(_panel([("", 0.5)]), dash)
    assert np.array_equal(_panel([(" \n\u200e", 0.5)]), dash)


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1, float("inf")])
def test_what_is_no_probability_is_refused(score: float) -> None:
    """A score outside 0..1 is an error, not a bar."""
    with pytest.raises(ValueError, match="score"):
        annotate(_picture(8, 8), [("a", score)])


def test_rounding_errors_of_scores_are_forgiven() -> None:
    """A float32 sum that misses one by its last digits is one."""
    assert np.array_equal(_panel([("a", 1.0000001)]), _panel([("a", 1.0)]))


def test_wrong_arguments_are_refused() -> None:
    """Another mode than RGB, and nothing to show, are errors."""
    with pytest.raises(ValueError, match="RGB"):
        annotate(Image.new("L", (8, 8)), CELL)
    with pytest.raises(ValueError, match="predictions"):
        annotate(_picture(8, 8), [])


def test_threads_agree_with_one_thread() -> None:
    """Copies made by eight threads at once are those that one thread makes."""
    named = [[(f"{label} {n}", score) for label, score in DOGS] for n in range(8)]
    work = [(_picture(*size), predictions) for predictions in named for size in SIZES[:8]]
    alone = [annotate(*job).tobytes() for job in work]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: annotate(*job).tobytes(), work))
    assert alone == together


def _luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_enough_contrast() -> None:
    """Text has a contrast of 5:1 with the paper, bars have 3:1, and what is filled differs from its track."""

    def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
        low, high = sorted((_luminance(one), _luminance(other)))
        return (high + 0.05) / (low + 0.05)

    assert min(contrast(text, room.PAPER) for text in (room.INK, room.SOFT)) >= 5
    assert min(contrast(bar, room.PAPER) for bar in (room.ACCENT, room.MUTED)) >= 3
    assert min(contrast(bar, room.TRACK) for bar in (room.ACCENT, room.MUTED)) >= 2.5
