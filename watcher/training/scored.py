"""Pictures whose truth is known, with what a model says of them: all that an evaluation needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 0.02  # by which probabilities may miss 1 in sum: they may have come through bfloat16


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """n pictures, each with its true label and a calibrated probability for every label.

    Raises ValueError where the parts do not fit together, or scores are no probabilities.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    """[n], places in `labels`."""
    scores: NDArray[np.float32]
    """[n, labels]."""
    groups: tuple[str, ...]
    paths: tuple[Path, ...]
    positive: str | None = None
    """Of two labels, the one that sensitivity speaks of; None for any other number of them."""

    def __post_init__(self) -> None:
        count = len(self.paths)
        if len(self.labels) < 2:
            raise ValueError("a model tells at least two labels apart")
        if count == 0:
            raise ValueError("there are no pictures to measure a model on")
        if self.truth.shape != (count,) or len(self.groups) != count:
            raise ValueError(f"{count} pictures need as many truths and groups")
        if self.scores.shape != (count, len(self.labels)):
            raise ValueError(f"scores are [{count}, {len(self.labels)}], not {list(self.scores.shape)}")
        if self.truth.min() < 0 or self.truth.max() >= len(self.labels):
            raise ValueError("a truth is a place among the labels")
        if not (np.isfinite(self.scores).all() and (self.scores >= 0).all() and (self.scores <= 1 + TOLERANCE).all()):
            raise ValueError("a score is a number from 0 to 1")
        if (np.abs(self.scores.sum(axis=1, dtype=np.float64) - 1) > TOLERANCE).any():
            raise ValueError("the scores of a picture sum to 1")
        if (self.positive is not None) != (len(self.labels) == 2) or (
            self.positive or self.labels[0]
        ) not in self.labels:
            raise ValueError("of two labels one is the positive, of more none is")

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def said(self) -> NDArray[np.int64]:
        """[n]: the place of the label with the highest score, the first of equals, as everywhere in Watcher."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """[n]: whether what the model says is true."""
        return np.asarray(self.said == self.truth, np.bool_)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """[n]: the score of the label that the model says."""
        return np.asarray(self.scores.max(axis=1), np.float64)

    @property
    def positive_place(self) -> int | None:
        return self.labels.index(self.positive) if self.positive is not None else None

    def group_numbers(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """The groups by name, and [n] the place of each picture's own among them."""
        names, numbers = np.unique(np.asarray(self.groups, dtype=object).astype(str), return_inverse=True)
        return tuple(map(str, names)), numbers

    def part(self, places: NDArray[np.int64]) -> Scored:
        """The pictures at these places, which must be some."""
        return Scored(
            self.labels,
            self.truth[places],
            self.scores[places],
            tuple(self.groups[place] for place in places),
            tuple(self.paths[place] for place in places),
            self.positive,
        )
