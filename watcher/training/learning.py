"""From pictures to a trained network: the head on cached features, then perhaps the top of the base with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watcher.models.durable import replace_text
from watcher.training import probe
from watcher.training.augment import augmenter
from watcher.training.checkpoint import Checkpoint
from watcher.training.features import cached_features
from watcher.training.fitting import fit
from watcher.training.lesson import Lesson, targets_of, weights_of
from watcher.training.network import build, outputs
from watcher.training.precision import policy
from watcher.training.teacher import softened
from watcher.training.tuning import tuning

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from watcher.training.history import Epoch
    from watcher.training.material import Material
    from watcher.training.network import Network
    from watcher.training.recipe import Recipe
    from watcher.training.watching import Watching


@dataclass(frozen=True, slots=True)
class Learned:
    """A network with its best weights, in float32, and how it came to them."""

    network: Network
    history: tuple[Epoch, ...]
    precision: str
    """The dtype policy that it was trained under."""
    scaled: tuple[NDArray[np.float32], NDArray[np.float32]]
    """The scaled features [n, width] of the training and of the validation pictures, as they are."""


def learn(material: Material, recipe: Recipe, folder: Path, watching: Watching) -> Learned:
    """Trains on the training side and chooses by the validation side; goes on with what `folder` holds."""
    labels = len(material.labels)
    precision = _precision(material, recipe, folder, "base")
    network = build(recipe, labels, precision)
    lesson = _features(network, material, recipe, folder, "base", watching)
    scale = probe.Scale.of(lesson.inputs[0])
    found = probe.solve(lesson, scale, watching.stage("Training the head"))
    network.set_head(scale, found.head)
    if not recipe.fine_tune.epochs:
        scaled = scale(lesson.inputs[0]), scale(lesson.validation_inputs)
        return Learned(_in_float32(network, recipe, labels, precision), found.history, precision, scaled)
    history = found.history + _tune(network, material, lesson, recipe, folder, watching)
    network = _in_float32(network, recipe, labels, precision)
    pixels, parts = material.pixels.array, material.parts
    watching.stage("Looking at the pictures with the tuned base")
    scaled = outputs(network.scaled(), pixels[parts.training]), outputs(network.scaled(), pixels[parts.validation])
    return Learned(network, history, precision, scaled)


def _in_float32(network: Network, recipe: Recipe, labels: int, precision: str) -> Network:
    """As it is to be kept: what a machine can compute in is that machine's affair."""
    if precision == "float32":
        return network
    plain = build(recipe, labels)
    plain.joined().set_weights(network.joined().get_weights())
    return plain


def _precision(material: Material, recipe: Recipe, folder: Path, name: str) -> str:
    """Chosen once for a training: one that goes on must not change it."""
    file = folder / f"{name}-precision.json"
    if not file.is_file():
        replace_text(file, json.dumps(policy(recipe, material.pixels.array)))
    return str(json.loads(file.read_text("utf-8")))


def _features(
    network: Network, material: Material, recipe: Recipe, folder: Path, name: str, watching: Watching
) -> Lesson:
    """The features of all views of the training pictures, and of the validation pictures as they are."""
    augment = augmenter(recipe.augment, network.features.input_shape[1], recipe.seed)
    parts, pixels = material.parts, material.pixels.array
    progress = watching.stage(f"Looking at the pictures with {recipe.base}")
    teaching = cached_features(
        network.features, augment, pixels[parts.training], recipe.views, folder / f"{name}-training.npy", progress
    )
    progress = watching.stage(f"Looking at the validation pictures with {recipe.base}")
    choosing = cached_features(
        network.features, augment, pixels[parts.validation], 1, folder / f"{name}-validation.npy", progress
    )
    truth, labels = material.truth[parts.training], len(material.labels)
    return Lesson(
        teaching,
        targets_of(truth, labels, recipe.label_smoothing),
        weights_of(truth, labels, balanced=recipe.class_weights),
        choosing[0],
        material.truth[parts.validation],
    )


def _tune(
    network: Network, material: Material, lesson: Lesson, recipe: Recipe, folder: Path, watching: Watching
) -> tuple[Epoch, ...]:
    parts, pixels = material.parts, material.pixels.array
    if recipe.teacher.trust:
        teacher = recipe.of_teacher()
        seen_by = build(teacher, len(material.labels), _precision(material, teacher, folder, "teacher"))
        lesson_of_teacher = _features(seen_by, material, teacher, folder, "teacher", watching)
        groups = [material.pixels.examples[i].group for i in parts.training]
        targets = softened(
            lesson_of_teacher, groups, recipe.teacher.trust, recipe.seed, watching.stage("Doubting labels")
        )
        lesson = replace(lesson, targets=targets)
    lesson = replace(lesson, inputs=pixels[parts.training], validation_inputs=pixels[parts.validation])
    augment = augmenter(recipe.augment, network.features.input_shape[1], recipe.seed)
    plan = tuning(network, augment, lesson, recipe)
    return fit(plan, Checkpoint(folder, "tuning"), watching.stage("Fine-tuning")).history
