"""A model tried on pictures whose truth is known."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import DataError, UsageError
from watcher.training.examples import Unreadable
from watcher.training.known_labels import Matched, listed, match_labels
from watcher.training.scored import Scored
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from watcher.models.package import Card
    from watcher.training.examples import Example
    from watcher.vision.vision import Vision

    Pixels = NDArray[np.uint8]
    Placed = tuple[Example, int]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the model gets of a file, and the SHA-256 of its bytes."""

    pixels: Pixels
    content: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model says of the pictures that could be read."""

    scored: Scored
    examples: tuple[Example, ...]
    """Those of `scored`, in its order."""
    contents: tuple[str, ...]
    """The SHA-256 of each one's file."""
    unreadable: tuple[Unreadable, ...]
    matched: Matched


def evaluate(
    vision: Vision,
    examples: Sequence[Example],
    batch_size: int,
    *,
    positive: str | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """The scores of all examples whose label the model knows; the next batch is read while one is classified.

    `positive` is as for `positive_label`; `done` hears of every batch how many pictures it had. Raises
    DataError if no label matches or no picture can be read, UsageError for a positive label that cannot be.
    """
    card = vision.package.card
    chosen = positive_label(card, positive)
    matched = match_labels(examples, card)
    kept: list[tuple[Placed, str]] = []
    scores: list[NDArray[np.float32]] = []
    unreadable: list[Unreadable] = []
    for batch in _read_ahead(matched.examples, vision, batch_size):
        good = [(placed, found) for placed, found in batch if isinstance(found, _Read)]
        unreadable += [Unreadable(one.path, found.reason) for (one, _), found in batch if isinstance(found, Failed)]
        kept += [(placed, found.content) for placed, found in good]
        scores.append(vision.scores([found.pixels for _, found in good]))
        done(len(batch))
    if not kept:
        first = unreadable[0]
        raise DataError(f"none of the {len(unreadable)} pictures can be read; {first.path}: {first.reason}")
    kept_examples = tuple(example for (example, _), _ in kept)
    scored = Scored(
        card.labels,
        np.array([place for (_, place), _ in kept], np.int64),
        np.concatenate(scores),
        tuple(example.group for example in kept_examples),
        tuple(example.path for example in kept_examples),
        chosen,
    )
    return Evaluation(scored, kept_examples, tuple(content for _, content in kept), tuple(unreadable), matched)


def positive_label(card: Card, wanted: str | None = None) -> str | None:
    """Of a model of two labels the one that sensitivity speaks of: `wanted`, its card's, or the last by name.

    None for a model of more labels. Raises UsageError where `wanted` is none of two labels.
    """
    if len(card.labels) != 2:
        if wanted is not None:
            raise UsageError(f"{card.name} tells {len(card.labels)} labels apart: only of two is one the positive")
        return None
    if wanted is not None and wanted not in card.labels:
        raise UsageError(f"{card.name} knows no label {wanted}: it knows {listed(card.labels)}")
    chosen: str = wanted or card.positive_label or max(card.labels)
    return chosen


def _read_ahead(
    examples: Sequence[Placed], vision: Vision, batch_size: int
) -> Iterator[list[tuple[Placed, _Read | Failed]]]:
    """The examples in batches, each with what was read of it; two batches are in memory at a time."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        waiting: list[tuple[Placed, Future[_Read | Failed]]] = []
        for start in range(0, len(examples), batch_size):
            batch = examples[start : start + batch_size]
            ahead = [(placed, pool.submit(_read, placed[0].path, vision)) for placed in batch]
            if waiting:
                yield [(placed, future.result()) for placed, future in waiting]
            waiting = ahead
        yield [(placed, future.result()) for placed, future in waiting]


def _read(path: Path, vision: Vision) -> _Read | Failed:
    try:
        data = path.read_bytes()
    except OSError as fault:
        return Failed(f"it cannot be read: {fault.strerror}")
    found = vision.decode(data)
    return found if isinstance(found, Failed) else _Read(found.pixels, hashlib.sha256(data).hexdigest())
