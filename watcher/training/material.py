"""What is learned from: the pictures read, their labels numbered, the sides that they are on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import DataError
from watcher.intake.names import clean
from watcher.training.pixels import duplicates, read_pixels
from watcher.training.split import Split, check_labels, check_sides, split

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from watcher.training.examples import Example
    from watcher.training.pixels import Pixels
    from watcher.training.recipe import Recipe
    from watcher.training.watching import Watching

# Of pictures that are left out, so many are named.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Material:
    """All that a training needs of its pictures; `truth` is int64 [n], places in `labels`."""

    pixels: Pixels
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    parts: Split
    notes: tuple[str, ...]


def prepare(
    examples: Sequence[Example],
    side: int,
    recipe: Recipe,
    folder: Path,
    watching: Watching,
    judges: frozenset[str] | None = None,
) -> Material:
    """Reads the pictures into `folder` and splits them; `judges` are the groups to be held out, if that is settled.

    What cannot be read is left out and noted, and so are pictures that stand on two sides of the split or under
    two labels. Raises DataError where too little is left to learn from.
    """
    check_labels(examples)
    pixels = read_pixels(examples, side, folder, watching.stage("Reading the pictures"))
    notes = [f"left out, {missed.reason}: {clean(str(missed.path))}" for missed in pixels.unreadable]
    _check_read(examples, pixels, notes)
    parts = split(pixels.examples, recipe.validation, recipe.held_out, recipe.seed, judges)
    parts, doubles = _without_doubles(pixels, parts)
    notes = [
        *notes[:NAMED],
        *([f"and {len(notes) - NAMED} more were left out"] if len(notes) > NAMED else []),
        *doubles[:NAMED],
        *([f"and {len(doubles) - NAMED} more are there twice"] if len(doubles) > NAMED else []),
    ]
    for note in notes:
        watching.note(note)
    check_sides(pixels.examples, parts)
    labels = tuple(sorted({example.label for example in pixels.examples}))
    truth = np.array([labels.index(example.label) for example in pixels.examples], np.int64)
    return Material(pixels, labels, truth, parts, tuple(notes))


def _check_read(examples: Sequence[Example], pixels: Pixels, left_out: Sequence[str]) -> None:
    """Raises DataError where what could be read has too few labels or groups, or lacks a label altogether."""
    if not pixels.examples:
        raise DataError(f"none of the {len(examples)} pictures can be read; the first: {left_out[0]}")
    if lost := {example.label for example in examples} - {example.label for example in pixels.examples}:
        raise DataError(
            f"none of the pictures of the label {min(lost)} can be read, so the model would not know it: mend them, or "
            f"take the label out; the first that was {left_out[0]}"
        )
    check_labels(pixels.examples)


def sample(examples: Sequence[Example], count: int, seed: int) -> tuple[Example, ...]:
    """`count` of the examples by chance, each label's share kept; all of them where they are fewer."""
    if count >= len(examples):
        return tuple(examples)
    random = np.random.default_rng(seed)
    places: dict[str, list[int]] = {}
    for i in random.permutation(len(examples)):
        places.setdefault(examples[i].label, []).append(int(i))
    chosen = [i for found in places.values() for i in found[: max(2, round(count * len(found) / len(examples)))]]
    return tuple(examples[i] for i in sorted(chosen))


def _without_doubles(pixels: Pixels, parts: Split) -> tuple[Split, list[str]]:
    """A picture on two sides of the split would teach what it is to judge; one under two labels teaches nothing."""
    sides = {int(i): number for number, part in enumerate(parts.all) for i in part}
    notes: list[str] = []
    dropped: set[int] = set()
    for same in duplicates(pixels):
        names = ", ".join(clean(str(pixels.examples[i].path)) for i in same[:3])
        if len({pixels.examples[i].label for i in same}) > 1:
            notes.append(f"left out, the same picture under different labels: {names}")
            dropped |= set(same)
        elif len(found := {sides[i] for i in same}) > 1:
            notes.append(f"kept on one side only, the same picture in groups on both sides of the split: {names}")
            dropped |= {i for i in same if sides[i] != max(found)}
    return parts.without(dropped), notes
