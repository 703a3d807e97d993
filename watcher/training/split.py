"""Which pictures teach, which choose, and which judge: whole groups each, so that no patient is on two sides."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from watcher.training.examples import Example


# A share that one fold comes this close to is one fold; others are several of at most so many.
CLOSE = 0.1
MOST_FOLDS = 20


@dataclass(frozen=True, slots=True)
class Split:
    """Indices into the examples, int64, sorted."""

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def all(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        return self.training, self.validation, self.held_out

    def without(self, dropped: Iterable[int]) -> Split:
        gone = np.array(sorted(dropped), np.int64)
        return Split(*(np.setdiff1d(part, gone) for part in self.all))


def split(
    examples: Sequence[Example], validation: float, held_out: float, seed: int, judges: frozenset[str] | None = None
) -> Split:
    """Splits whole groups, with about the same share of each label on every side (scikit-learn's StratifiedGroupKFold).

    The same examples and seed give the same split. Where `judges` are given, just those groups are held out. Raises
    DataError where a label would be missing in training or validation.
    """
    check_labels(examples)
    everything = np.arange(len(examples))
    if judges is None:
        rest, judging = _part(examples, everything, held_out, seed)
    else:
        among = np.array([example.group in judges for example in examples], np.bool_)
        rest, judging = everything[~among], everything[among]
    teaching, choosing = _part(examples, rest, validation / (1 - held_out), seed + 1)
    parts = Split(teaching, choosing, judging)
    check_sides(examples, parts)
    return parts


def check_sides(examples: Sequence[Example], parts: Split) -> None:
    """Raises DataError unless every label is in training and in validation."""
    for side, chosen in (("training", parts.training), ("validation", parts.validation)):
        if missing := {example.label for example in examples} - {examples[i].label for i in chosen}:
            raise DataError(_short_of(examples, min(missing), side))


def check_labels(examples: Sequence[Example]) -> None:
    """Raises DataError unless there are two labels or more, each with pictures of at least two groups."""
    groups: dict[str, set[str]] = {}
    for example in examples:
        groups.setdefault(example.label, set()).add(example.group)
    if len(groups) < 2:
        raise DataError(
            f"all {len(examples)} pictures have the label {next(iter(groups), None)}: a model needs two labels or more "
            "to tell apart, each in a folder of its own"
        )
    poor = [label for label, found in sorted(groups.items()) if len(found) < 2]
    if poor:
        raise DataError(_short_of(examples, poor[0], "training or validation"))


def _short_of(examples: Sequence[Example], label: str, side: str) -> str:
    counts = Counter(example.group for example in examples if example.label == label)
    pictures = sum(counts.values())
    return (
        f"the label {label} has {pictures} picture{'s' * (pictures != 1)} of {len(counts)} group{'s' * (len(counts) != 1)}, "
        f"too few for {side}, as no group may be on two sides: add pictures of other groups, group them otherwise "
        f"(--group-by), {'hold none out (--held-out 0), ' * (len(counts) > 1)}or take the label out"
    )


def _part(
    examples: Sequence[Example], among: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`among` as (the rest, about `share` of it)."""
    if share == 0:
        return among, among[:0]
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([examples[i].label for i in among])
    groups = np.array([examples[i].group for i in among])
    most = min(len(set(groups)), max(Counter(labels).values()))
    if most < 2:
        return among, among[:0]
    folds, joined = _folds(share, most)
    with warnings.catch_warnings(action="ignore"):  # of labels rarer than folds, which are looked at afterwards
        found = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups))
    ways = [np.concatenate([found[(i + j) % folds][1] for j in range(joined)]) for i in range(folds)]
    everything = np.arange(len(among))
    taken = min(ways, key=lambda way: _faults(labels, np.setdiff1d(everything, way), way, share))
    return np.delete(among, taken), among[np.sort(taken)]


def _folds(share: float, most: int) -> tuple[int, int]:
    """Into how many folds, `most` at most, and how many of them together are about `share`.

    The fewest that come close, for larger folds hold every label; where none do, those that come closest.
    """
    one = max(2, round(1 / share))
    if one > most or abs(1 / one - share) <= CLOSE * share:
        return min(one, most), 1
    ways = [
        (folds, joined) for folds in range(2, min(most, MOST_FOLDS) + 1) if 0 < (joined := round(share * folds)) < folds
    ] or [(2, 1)]
    close = [way for way in ways if abs(way[1] / way[0] - share) <= CLOSE * share]
    return close[0] if close else min(ways, key=lambda way: abs(way[1] / way[0] - share))


def _faults(
    labels: NDArray[np.str_], kept: NDArray[np.int64], taken: NDArray[np.int64], share: float
) -> tuple[int, float]:
    """How far a fold is from having every label on both sides and then from the wanted size."""
    present = len(set(labels[kept])) + len(set(labels[taken]))
    return -present, abs(len(taken) / len(labels) - share)
