"""Labels that may be wrong, softened by what pictures of other groups say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from watcher.training.lesson import log_softmax
from watcher.training.probe import Scale, minimise, rows, solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.training.lesson import Lesson
    from watcher.training.watching import Progress

FOLDS = 5


def too_few(groups: Sequence[str]) -> str | None:
    """Why labels of pictures of these groups cannot be doubted, and what to do; None if they can.

    To be asked before a teacher's features are computed, for they would be of no use.
    """
    if len(set(groups)) > 1:
        return None
    return (
        "labels are taken as they are: all training pictures are of one group, and a teacher judges each group by what "
        "it learned from others; add pictures of other groups, or group them otherwise (--group-by)"
    )


def softened(lesson: Lesson, groups: Sequence[str], trust: float, seed: int, progress: Progress) -> NDArray[np.float32]:
    """The lesson's targets [n, labels] with the part `trust` of each replaced by a head's out-of-fold scores.

    Each picture is scored, over all its views, by a head that never saw its group, so a wrong label cannot defend
    itself (in the spirit of confident learning, Northcutt et al. 2021; the mixing is distillation, Hinton et al. 2015).
    Where `too_few` says that this cannot be, the targets are as they were.
    """
    if too_few(groups):
        return lesson.targets
    scale = Scale.of(lesson.inputs[0])
    found = solve(lesson, scale, lambda done, of: progress(done, of * 2))
    scores = np.zeros_like(lesson.targets)
    parts = folds(groups, seed)
    for number, (others, own) in enumerate(parts):
        head, _ = minimise(*rows(lesson, scale, others), found.penalty, found.head.empty())
        logits = np.mean([head(scale(view[own])) for view in lesson.inputs], axis=0)
        scores[own] = np.exp(log_softmax(logits))
        progress(len(parts) + number + 1, 2 * len(parts))
    return mixed(lesson, scores, trust)


def folds(groups: Sequence[str], seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The pictures of these groups in up to FOLDS parts, whole groups each: the places of the others, and of the part."""
    from sklearn.model_selection import GroupKFold

    split = GroupKFold(min(FOLDS, len(set(groups))), shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(groups)), groups=list(groups)))


def mixed(lesson: Lesson, scores: NDArray[np.float32], trust: float) -> NDArray[np.float32]:
    """The lesson's targets with the part `trust` of each replaced by the scores [n, labels]."""
    return np.asarray((1 - trust) * lesson.targets + trust * scores, np.float32)
