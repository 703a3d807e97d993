"""A fine-tuned teacher's scores of pictures that it has not learned from: one network for each part of the groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from watcher.training.augment import augmenter
from watcher.training.checkpoint import Checkpoint
from watcher.training.fitting import fit
from watcher.training.lesson import log_softmax
from watcher.training.mapped import Rows, save_array
from watcher.training.network import build, outputs
from watcher.training.probe import Scale, minimise, rows, solve
from watcher.training.teacher import folds
from watcher.training.tuning import tuning

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from watcher.training.lesson import Lesson
    from watcher.training.recipe import Recipe
    from watcher.training.watching import Watching


def crossfitted(
    lesson: Lesson,
    pixels: Rows,
    groups: Sequence[str],
    recipe: Recipe,
    precision: str,
    folder: Path,
    watching: Watching,
) -> NDArray[np.float32]:
    """The scores [n, labels] of every training picture, by a network tuned on the other groups alone.

    `lesson` holds the features of the recipe's base as it comes, `pixels` the same pictures themselves. Each part's
    network begins with the best head on those features. What is done stays in `folder`, and is not done again.
    """
    labels = lesson.targets.shape[1]
    scale = Scale.of(lesson.inputs[0])
    found = solve(lesson, scale, watching.stage("Training the teacher's head"))
    scores = np.zeros_like(lesson.targets)
    parts = folds(groups, recipe.seed)
    for number, (others, own) in enumerate(parts, start=1):
        file = folder / f"part-{number}.npy"
        if not file.is_file():
            network = build(recipe, labels, precision)
            head, _ = minimise(*rows(lesson, scale, others), found.penalty, found.head.empty())
            network.set_head(scale, head)
            part = replace(
                lesson,
                inputs=Rows(pixels.array, pixels.chosen[others]),
                targets=lesson.targets[others],
                weights=lesson.weights[others],
                validation_inputs=Rows(pixels.array, pixels.chosen[own]),
                validation_truth=lesson.targets[own].argmax(axis=1),
            )
            augment = augmenter(recipe.augment, network.features.input_shape[1], recipe.seed + number)
            plan = tuning(network, augment, part, recipe, precision)
            # Its last round, not its best by labels that it is to judge.
            fit(
                plan,
                Checkpoint(folder, f"part-{number}"),
                watching.stage(f"Teacher {number} of {len(parts)}"),
                best=False,
            )
            save_array(file, _looked_at(network.joined(), part.validation_inputs))
        scores[own] = np.load(file)
    return scores


def _looked_at(model: keras.Model, pixels: Rows) -> NDArray[np.float32]:
    """The mean score [n, labels] of each picture and its mirror images."""
    seen = []
    for start in range(0, len(pixels), 1024):  # whatever there is of them
        batch = pixels[start : start + 1024]
        turned = (batch, batch[:, :, ::-1], batch[:, ::-1], batch[:, ::-1, ::-1])
        seen.append(np.mean([np.exp(log_softmax(outputs(model, picture))) for picture in turned], axis=0))
    return np.concatenate(seen)
