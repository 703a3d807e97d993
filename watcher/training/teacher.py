"""Labels that may be wrong, softened by what pictures of other groups say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from watcher.training.lesson import log_softmax
from watcher.training.probe import Scale, minimise, rows, solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.training.lesson import Lesson
    from watcher.training.watching import Progress

FOLDS = 5


def softened(lesson: Lesson, groups: Sequence[str], trust: float, seed: int, progress: Progress) -> NDArray[np.float32]:
    """The lesson's targets [n, labels] with the part `trust` of each replaced by a head's out-of-fold scores.

    Each picture is scored, over all its views, by a head that never saw its group, so a wrong label cannot defend
    itself (in the spirit of confident learning, Northcutt et al. 2021; the mixing is distillation, Hinton et al. 2015).
    """
    from sklearn.model_selection import GroupKFold

    count = len(lesson.targets)
    if len(set(groups)) < FOLDS:
        return lesson.targets
    scale = Scale.of(lesson.inputs[0])
    found = solve(lesson, scale, lambda done, of: progress(done, of * 2))
    scores = np.zeros_like(lesson.targets)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(np.zeros(count), groups=list(groups))
    for number, (others, own) in enumerate(folds):
        part = replace(
            lesson, inputs=lesson.inputs[:, others], targets=lesson.targets[others], weights=lesson.weights[others]
        )
        head, _ = minimise(*rows(part, scale), found.penalty, found.head)
        logits = np.mean([head(scale(view[own])) for view in lesson.inputs], axis=0)
        scores[own] = np.exp(log_softmax(logits))
        progress(FOLDS + number + 1, 2 * FOLDS)
    return np.asarray((1 - trust) * lesson.targets + trust * scores, np.float32)
