"""An annotated copy can say what is true, beside what the model says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from watcher.vision import annotate as room
from watcher.vision.annotate import annotate

CELL = [("Parasitized", 0.973), ("Uninfected", 0.027)]


def copy(truth: str | None, predictions: list[tuple[str, float]] = CELL, width: int = 300) -> np.ndarray:
    return np.asarray(annotate(Image.new("RGB", (width, 40), "gray"), predictions, "malaria 3", truth)).astype(int)


def inked(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The columns in which there is something of exactly this colour."""
    return np.nonzero((pixels == colour).all(axis=-1).any(axis=0))[0]


def test_a_true_label_makes_the_row_green_and_a_false_one_red() -> None:
    """And the word at its end says so to those who see no colours: the words differ in width, too."""
    right, wrong = copy("Parasitized"), copy("Uninfected")
    assert inked(right, room.RIGHT).size and not inked(right, room.WRONG).size
    assert inked(wrong, room.WRONG).size and not inked(wrong, room.RIGHT).size
    gap = lambda columns: columns[1:][np.diff(columns) > 30][-1]  # noqa: E731  (where the last word begins)
    assert gap(inked(right, room.RIGHT)) > gap(inked(wrong, room.WRONG))


def test_without_a_truth_the_copy_is_as_ever() -> None:
    """What the daemon writes has no such row; the row costs one line and moves no pixel of the picture."""
    plain, told = copy(None), copy("Parasitized")
    assert not inked(plain, room.RIGHT).size
    assert 10 < told.shape[0] - plain.shape[0] < 50
    assert (told[:40] == plain[:40]).all()


@pytest.mark.parametrize("truth", ["W" * 300, "感染细胞" * 50, "", "a\nb\x00", "خلية مصابة"])
def test_any_truth_fits(truth: str) -> None:
    """However long, in any script, or nothing at all: the word at the end stands in its place."""
    columns = inked(copy(truth, [("x", 1.0)]), room.WRONG)
    assert columns.max() == inked(copy("b", [("x", 1.0)]), room.WRONG).max()
    assert columns.min() >= 10


def test_a_lone_label_is_followed_by_the_truth() -> None:
    """A model need not give a second label; the largest strips still get no panel."""
    assert inked(copy("x", [("x", 1.0)]), room.RIGHT).size
    assert annotate(Image.new("RGB", (1, 170_000)), CELL, "", "Parasitized").size == (1, 170_000)
