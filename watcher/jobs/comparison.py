"""Two models on the same held-out pictures: how surely one is worse than the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.training.bootstrap import SAME, draws
from watcher.training.metrics import FEWEST_ROUNDS, MOST_WORK
from watcher.training.scored import Scored
from watcher.training.values import WHOLE, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_PICTURES = 5  # of a group, before more mistakes on it are told: one of two is no sign


@dataclass(frozen=True, slots=True)
class Setback:
    """A group on which the candidate is wrong more often, by this share of the group's pictures."""

    group: str
    share: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the candidate and the current model are worth by one figure, on pictures whose labels both know."""

    pictures: int
    groups: int
    candidate: float
    """NaN, as `current` is too, where these pictures do not tell the figure."""
    current: float
    draws: int
    """Draws of the groups that tell the figure; 0 where there are too few groups."""
    worse: float
    """The share of the draws in which the candidate is worse. Without draws 1 if it is, else 0."""
    setback: Setback | None
    """The group with the largest; None if none has one, or there is but one group."""


def pair_up(candidate: Scored, current: Scored) -> tuple[Scored, Scored] | None:
    """Both models on the pictures whose labels both know, in terms of all labels of either.

    A model never says a label that it does not know, so its score for that is 0; saying a label that the other
    does not know is a mistake like any other. None if no label or picture is left. Raises ValueError if the models
    were not shown the same pictures.
    """
    both = set(candidate.labels) & set(current.labels)
    labels = candidate.labels + tuple(label for label in current.labels if label not in both)
    positive = candidate.positive if len(labels) == 2 else None
    first, second = (_in_terms_of(labels, positive, both, one) for one in (candidate, current))
    if first is None and second is None:
        return None
    if first is None or second is None or not _same_pictures(first, second):
        raise ValueError("two models can be compared only on the very same held-out pictures")
    return first, second


def compare(candidate: Scored, current: Scored, metric: str, tolerance: float, *, rounds: int, seed: int) -> Comparison:
    """The two models of a pair by `metric`, of those of WHOLE that are better the higher they are.

    Pictures that are hard are hard for both, so both are measured on the same draws of whole groups and only their
    difference counts (a paired bootstrap, Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 8).
    A draw that cannot tell the figure, for want of a label, is left out. Very many pictures of very many labels get
    fewer rounds, as everywhere.
    """
    place = WHOLE.index(metric)
    models = Values(candidate), Values(current)
    names, groups = candidate.group_numbers()

    def figures(weights: NDArray[np.float64]) -> tuple[float, float]:
        return float(models[0].row(weights)[place]), float(models[1].row(weights)[place])

    whole = figures(np.ones(len(candidate)))
    rounds = min(rounds, max(FEWEST_ROUNDS, int(MOST_WORK / (2 * candidate.scores.size))))
    if len(names) < 2 or np.isnan(whole).any():
        rounds = 0  # there is nothing to draw from, or nothing to tell
    drawn = np.array([figures(weights) for weights in draws(groups, rounds, seed)]).reshape(-1, 2)
    told = drawn[~np.isnan(drawn).any(axis=1)]
    counted = told if len(told) else np.array([whole])
    worse = counted[:, 0] < counted[:, 1] - tolerance - SAME
    return Comparison(len(candidate), len(names), *whole, len(told), float(worse.mean()), _setback(candidate, current))


def _in_terms_of(labels: tuple[str, ...], positive: str | None, both: set[str], one: Scored) -> Scored | None:
    """The pictures of labels that are in `both`, with a score for each of `labels`; None if there are none."""
    places = np.flatnonzero(np.array([label in both for label in one.labels])[one.truth])
    if not len(places):
        return None
    columns = np.array([labels.index(label) for label in one.labels])
    scores = np.zeros((len(places), len(labels)), np.float32)
    scores[:, columns] = one.scores[places]
    return Scored(
        labels,
        columns[one.truth[places]],
        scores,
        tuple(one.groups[place] for place in places),
        tuple(one.paths[place] for place in places),
        positive,
    )


def _same_pictures(one: Scored, other: Scored) -> bool:
    return one.paths == other.paths and one.groups == other.groups and np.array_equal(one.truth, other.truth)


def _setback(candidate: Scored, current: Scored) -> Setback | None:
    names, groups = candidate.group_numbers()
    if len(names) < 2:
        return None
    pictures = np.bincount(groups)
    more = np.bincount(groups, current.right.astype(np.float64) - candidate.right)
    share = np.where(pictures >= FEWEST_PICTURES, more / pictures, 0.0)
    largest = int(share.argmax())
    return Setback(names[largest], float(share[largest])) if share[largest] > 0 else None
