"""How well scores put the pictures of one label before all others: ROC and precision-recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Shares (0..1) as the threshold falls from above the highest score to the lowest; [thresholds + 1] each."""

    false_positive: Numbers
    recall: Numbers
    precision: Numbers


class Ranking:
    """Pictures in the order of their scores, sorted once, so that they can be weighed again and again.

    `scores` [n], `positive` [n] bool. Equal scores are one threshold (Fawcett 2006,
    https://doi.org/10.1016/j.patrec.2005.10.010), as in scikit-learn.
    """

    def __init__(self, scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        descending = scores[self._order]
        self._positive = positive[self._order].astype(np.float64)
        self._ends = np.append(np.flatnonzero(np.diff(descending)), len(scores) - 1)

    def _counts(self, weights: Numbers) -> tuple[Numbers, Numbers]:
        """For each threshold the weight of the positives at or above it, and of all pictures."""
        ordered = weights[self._order]
        return np.cumsum(ordered * self._positive)[self._ends], np.cumsum(ordered)[self._ends]

    def areas(self, weights: Numbers) -> tuple[float, float]:
        """The area under the ROC curve and the average precision; NaN where one side has no weight.

        `weights` [n]. Average precision is the sum over thresholds of precision times the recall that is
        gained there, without interpolation (sklearn.metrics.average_precision_score).
        """
        found, taken = self._counts(weights)
        positives, negatives = found[-1], taken[-1] - found[-1]
        if positives <= 0 or negatives <= 0:
            return np.nan, np.nan
        gained = np.diff(found, prepend=0.0)
        wrong = taken - found
        # Each new positive beats the negatives below it, and half of those of the same score.
        before = np.concatenate(([0.0], wrong[:-1]))
        beaten = gained @ (negatives - (before + wrong) / 2)
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        return float(beaten / (positives * negatives)), float(gained @ precision / positives)

    def curve(self) -> Curve:
        """Both curves, every picture counted once. Both sides must have pictures."""
        found, taken = self._counts(np.ones(len(self._order)))
        wrong = taken - found
        start = np.zeros(1)
        return Curve(
            false_positive=np.concatenate((start, wrong / wrong[-1])),
            recall=np.concatenate((start, found / found[-1])),
            precision=np.concatenate((start + 1, found / taken)),
        )
