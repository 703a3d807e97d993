"""Every figure of an evaluation as one row of numbers, for any weights of the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.training.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.training.scored import Scored

    Numbers = NDArray[np.float64]

BINS = 15
WHOLE = (
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "roc_auc",
    "average_precision",
    "calibration_error",
)
FOR_LABEL = ("recall", "precision", "roc_auc", "average_precision")


class Values:
    """The figures of some pictures; what does not depend on their weights is worked out once.

    A row is: those of WHOLE, then each of FOR_LABEL for all labels, then, for each pair (truth, said) of
    `cells`, the share of the truth's pictures that are said so. NaN stands for what cannot be told.
    """

    def __init__(self, scored: Scored) -> None:
        size = len(scored.labels)
        self._size = size
        self._positive = scored.positive_place
        self._truth, self._said = scored.truth, scored.said
        self._right = scored.right.astype(np.float64)
        self._overconfidence = scored.confidence - self._right
        self._bin = bins(scored.confidence)
        pairs, self._pair = np.unique(self._truth * size + self._said, return_inverse=True)
        self.cells = tuple((int(pair) // size, int(pair) % size) for pair in pairs)
        self._cell_truth = pairs // size
        ranked = np.unique(self._truth) if self._positive is None else [self._positive]
        self._rankings = {int(label): Ranking(scored.scores[:, label], self._truth == label) for label in ranked}

    def row(self, weights: Numbers) -> Numbers:
        """The figures with each picture counted `weights` [n] times; some weight must not be 0."""
        truth = np.bincount(self._truth, weights, self._size)
        said = np.bincount(self._said, weights, self._size)
        right = np.bincount(self._truth, weights * self._right, self._size)
        recall, precision = _share(right, truth), _share(right, said)
        auc, average = self._areas(weights)
        whole = [
            right.sum() / truth.sum(),
            _macro(recall) if np.count_nonzero(truth) > 1 else np.nan,
            *self._of_two(recall),
            _macro(auc),
            _macro(average),
            np.abs(np.bincount(self._bin, weights * self._overconfidence, BINS)).sum() / truth.sum(),
        ]
        cells = _share(np.bincount(self._pair, weights, len(self.cells)), truth[self._cell_truth])
        return np.concatenate((whole, recall, precision, auc, average, cells))

    def pictures(self) -> Numbers:
        """How many pictures each figure of a row rests on; 0 for what cannot be told.

        A share rests on all those it is of, an area under a curve on as many as the rarer side has (as the bound of
        its variance says, Birnbaum and Klose 1957). A mean over labels varies like a share of L^2 / sum(1 / n) pictures.
        """
        truth = np.bincount(self._truth, minlength=self._size).astype(np.float64)
        said = np.bincount(self._said, minlength=self._size).astype(np.float64)
        every = truth.sum()
        of_two = (0.0, 0.0) if self._positive is None else (truth[self._positive], truth[1 - self._positive])
        areas = np.zeros(self._size)
        for label in self._rankings:
            areas[label] = min(truth[label], every - truth[label])
        area = _behind_mean(areas)
        whole = [every, _behind_mean(truth), *of_two, area, area, every]
        return np.concatenate((whole, truth, said, areas, areas, truth[self._cell_truth]))

    def _of_two(self, recall: Numbers) -> tuple[float, float]:
        """Sensitivity and specificity: of two labels, the recall of the positive one and that of the other."""
        if self._positive is None:
            return np.nan, np.nan
        return float(recall[self._positive]), float(recall[1 - self._positive])

    def _areas(self, weights: Numbers) -> tuple[Numbers, Numbers]:
        auc, average = np.full(self._size, np.nan), np.full(self._size, np.nan)
        for label, ranking in self._rankings.items():
            auc[label], average[label] = ranking.areas(weights)
        return auc, average


def bins(confidence: Numbers) -> NDArray[np.int64]:
    """[n] the bin of each confidence: 15 of equal width, their upper ends included (Guo et al. 2017)."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), np.int64)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Numbers:
    found: Numbers = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found


def _behind_mean(pictures: Numbers) -> float:
    """Of how many pictures a share varies like the mean of shares of so many each; those of none are no part of it."""
    some = pictures[pictures > 0]
    return float(len(some) ** 2 / (1 / some).sum()) if len(some) else 0.0


def _macro(values: Numbers) -> float:
    """The mean over the labels of which there is something to tell."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
