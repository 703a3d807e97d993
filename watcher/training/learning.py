"""From pictures to a trained network: the head on cached features, then perhaps the top of the base with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models.durable import replace_text
from watcher.training import probe
from watcher.training.augment import augmenter
from watcher.training.checkpoint import Checkpoint
from watcher.training.crossfit import crossfitted
from watcher.training.features import cached_features
from watcher.training.fitting import fit
from watcher.training.lesson import Lesson, judged, targets_of, weights_of
from watcher.training.mapped import Rows, save_array
from watcher.training.network import build, outputs
from watcher.training.precision import policy
from watcher.training.teacher import mixed, softened, too_few
from watcher.training.tuning import tuning

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from watcher.training.checkpoint import Standing
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
    features: tuple[NDArray[Any], NDArray[Any]]
    """The features [n, width] of the training and of the validation pictures, as they are."""


def learn(material: Material, recipe: Recipe, folder: Path, watching: Watching) -> Learned:
    """Trains on the training side and chooses by the validation side; goes on with what `folder` holds."""
    labels = len(material.labels)
    precision = _precision(material, recipe, folder, "base", watching.note)
    network = build(recipe, labels, precision)
    lesson = _features(network, material, recipe, folder, "base", watching)
    scale = probe.Scale.of(lesson.inputs[0])
    found = probe.solve(lesson, scale, watching.stage("Training the head"))
    network.set_head(scale, found.head)
    features = lesson.inputs[0], lesson.validation_inputs
    history = found.history
    if recipe.fine_tune.epochs:
        losses, _ = judged(found.head(scale(lesson.validation_inputs)), lesson.validation_truth)
        tuned = _tune(network, precision, material, lesson, recipe, folder, watching)
        history += tuned.history
        if tuned.best_loss < losses.mean():
            network = _in_float32(network, recipe, labels, precision)
            return Learned(network, history, precision, _features_now(network, material, watching))
        watching.note("fine-tuning made it no better, so the base is kept as it was")
        network = build(recipe, labels, precision)
        network.set_head(scale, found.head)
    return Learned(_in_float32(network, recipe, labels, precision), history, precision, features)


def _features_now(
    network: Network, material: Material, watching: Watching
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    progress = watching.stage("Looking at the pictures with the tuned base")
    pixels, parts = material.pixels.array, material.parts
    return (
        outputs(network.features, Rows(pixels, parts.training), progress),
        outputs(network.features, Rows(pixels, parts.validation)),
    )


def _in_float32(network: Network, recipe: Recipe, labels: int, precision: str) -> Network:
    """As it is to be kept: what a machine can compute in is that machine's affair."""
    if precision == "float32":
        return network
    plain = build(recipe, labels)
    plain.joined().set_weights(network.joined().get_weights())
    return plain


def _precision(material: Material, recipe: Recipe, folder: Path, name: str, note: Callable[[str], None]) -> str:
    """Chosen once for a training: one that goes on must not change it."""
    file = folder / f"{name}-precision.json"
    if not file.is_file():
        replace_text(file, json.dumps(policy(recipe, material.pixels.array, note)))
    return str(json.loads(file.read_text("utf-8")))


def _features(
    network: Network, material: Material, recipe: Recipe, folder: Path, name: str, watching: Watching
) -> Lesson:
    """The features of all views of the training pictures, and of the validation pictures as they are."""
    augment = augmenter(recipe.augment, network.features.input_shape[1], recipe.seed)
    parts, pixels = material.parts, material.pixels.array
    views = probe.views_that_fit(recipe.views, len(parts.training), network.features.output_shape[1])
    if views < recipe.views:
        watching.note(f"{views} of {recipe.views} views are looked at, for more do not fit into the memory")
    progress = watching.stage(f"Looking at the pictures with {recipe.base}")
    teaching = cached_features(
        network.features, augment, Rows(pixels, parts.training), views, folder / f"{name}-training.npy", progress
    )
    progress = watching.stage(f"Looking at the validation pictures with {recipe.base}")
    choosing = cached_features(
        network.features, augment, Rows(pixels, parts.validation), 1, folder / f"{name}-validation.npy", progress
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
    network: Network,
    precision: str,
    material: Material,
    lesson: Lesson,
    recipe: Recipe,
    folder: Path,
    watching: Watching,
) -> Standing:
    parts, pixels = material.parts, material.pixels.array
    if recipe.teacher.trust:
        groups = [material.pixels.examples[i].group for i in parts.training]
        if alone := too_few(groups):
            watching.note(alone)
        else:
            lesson = replace(lesson, targets=_softened(material, groups, recipe, folder, watching))
    lesson = replace(lesson, inputs=Rows(pixels, parts.training), validation_inputs=Rows(pixels, parts.validation))
    augment = augmenter(recipe.augment, network.features.input_shape[1], recipe.seed)
    plan = tuning(network, augment, lesson, recipe, precision)
    return fit(plan, Checkpoint(folder, "tuning"), watching.stage("Fine-tuning"))


def _softened(
    material: Material, groups: Sequence[str], recipe: Recipe, folder: Path, watching: Watching
) -> NDArray[np.float32]:
    """The teacher's targets, found once."""
    file = folder / "targets.npy"
    if not file.is_file():
        teacher = recipe.of_teacher()
        precision = _precision(material, teacher, folder, "teacher", watching.note)
        network = build(teacher, len(material.labels), precision)
        lesson = _features(network, material, teacher, folder, "teacher", watching)
        if recipe.teacher.epochs:
            pixels = Rows(material.pixels.array, material.parts.training)
            scores = crossfitted(lesson, pixels, groups, teacher, precision, folder, watching)
            watching.note(_agreement(scores, material.truth[material.parts.training]))
            targets = mixed(lesson, scores, recipe.teacher.trust)
        else:
            targets = softened(lesson, groups, recipe.teacher.trust, recipe.seed, watching.stage("Doubting labels"))
        save_array(file, targets)
    return np.asarray(np.load(file), np.float32)


def _agreement(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> str:
    """How good the teacher's networks are: a cross-validation by group, of pictures that they did not learn from."""
    from sklearn.metrics import roc_auc_score

    said = f"the teacher's networks, each on groups that it did not learn from: accuracy {np.mean(scores.argmax(1) == truth):.4f}"
    return f"{said}, ROC AUC {roc_auc_score(truth, scores[:, 1]):.4f}" if scores.shape[1] == 2 else said
