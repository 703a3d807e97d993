"""One training, from labelled pictures to a candidate: read, split, learn, calibrate, judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.errors import DataError
from watcher.models import trial_pictures
from watcher.models.halved import round_weights
from watcher.models.package import TrainedOn
from watcher.training import calibration, familiarity
from watcher.training.examples import data_digest
from watcher.training.held_out import HELD_OUT_BY, HELD_OUT_GROUPS
from watcher.training.learning import learn
from watcher.training.mapped import Rows
from watcher.training.material import prepare
from watcher.training.network import outputs, side_of
from watcher.training.scored import Scored
from watcher.vision.vision import calibrated

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from watcher.training.examples import Example
    from watcher.training.history import Epoch
    from watcher.training.learning import Learned
    from watcher.training.material import Material
    from watcher.training.recipe import Recipe
    from watcher.training.watching import Watching


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model, what its card is to say, and how it did on pictures that it did not learn from."""

    model: keras.Model
    card: dict[str, Any]
    judged: Scored
    """The held-out pictures, by which nothing was chosen; where none were held out, the validation pictures."""
    history: tuple[Epoch, ...]
    notes: tuple[str, ...]
    trial_pictures: NDArray[np.uint8]
    """Some of the validation pictures, at the model's size."""


def train(
    examples: Sequence[Example],
    recipe: Recipe,
    positive: str | None,
    folder: Path,
    watching: Watching,
    judges: frozenset[str] | None = None,
) -> Candidate:
    """Trains a model on the examples; `folder` is this training's own, and what it holds is gone on with.

    `judges` are the groups to be held out; without them, they are chosen by the recipe's share and seed. Raises DataError, ModelError, and OSError where the folder cannot be written.
    """
    material = prepare(examples, side_of(recipe), recipe, folder, watching, judges)
    positive = positive_of(material.labels, positive)
    learned = learn(material, recipe, folder, watching)
    model = _model(learned, material, recipe)
    progress = watching.stage("Judging")
    parts, pixels = material.parts, material.pixels.array
    choosing = outputs(model, Rows(pixels, parts.validation), progress)
    truth = material.truth[parts.validation]
    temperature = calibration.temperature(choosing, truth)
    threshold = calibration.review_threshold(calibrated(choosing, temperature), truth, recipe.review_accuracy)
    judging, scores = parts.validation, calibrated(choosing, temperature)
    if len(parts.held_out):
        judging = parts.held_out
        scores = calibrated(outputs(model, Rows(pixels, judging), progress), temperature)
    card = _card(material, recipe, learned.precision, "share" if judges is None else "digest") | {
        "temperature": temperature,
        "review_threshold": threshold,
        "positive_label": positive,
    }
    judged = _scored(material, judging, scores, positive)
    some = parts.validation[:: math.ceil(len(parts.validation) / trial_pictures.MOST)]
    return Candidate(model, card, judged, learned.history, material.notes, np.asarray(pixels[some]))


def _model(learned: Learned, material: Material, recipe: Recipe) -> keras.Model:
    """The network as it is to be kept, with what it is familiar with inside."""
    network, (teaching, choosing) = learned.network, learned.features
    logits = outputs(network.head, choosing)
    network.shift(calibration.shifts(logits, material.truth[material.parts.validation]))
    model = familiarity.finished(network, familiarity.learn(teaching, choosing, recipe.seed), recipe.looks)
    if recipe.half:
        round_weights(model)  # what is judged is what is kept
    return model


def positive_of(labels: Sequence[str], wanted: str | None) -> str | None:
    """Of two labels the one that sensitivity speaks of: the wanted one, or else the last by name. Raises DataError."""
    if wanted is not None and wanted not in labels:
        raise DataError(f"the positive label {wanted} is none of {', '.join(labels)}")
    if len(labels) == 2:
        return wanted or labels[1]
    if wanted is not None:
        raise DataError(f"there are {len(labels)} labels, and only of two is one the positive: leave out {wanted}")
    return None


def _scored(
    material: Material, judging: NDArray[np.int64], scores: NDArray[np.float32], positive: str | None
) -> Scored:
    examples = [material.pixels.examples[i] for i in judging]
    return Scored(
        material.labels,
        material.truth[judging],
        scores,
        tuple(example.group for example in examples),
        tuple(example.path for example in examples),
        positive,
    )


def _card(material: Material, recipe: Recipe, precision: str, held_out_by: str) -> dict[str, Any]:
    side = side_of(recipe)
    examples = material.pixels.examples
    return {
        "labels": material.labels,
        "input_size": (side, side),
        "resize": "squash",
        "base": recipe.base,
        "weights": f"trained on {len(examples):,} pictures, from {_origin(recipe)} weights",
        "verified": True,
        "trained_on": TrainedOn(
            data_digest=data_digest(examples, material.pixels.contents),
            pictures=len(examples),
            groups=len({example.group for example in examples}),
            seed=recipe.seed,
            settings=_settings(recipe)
            | {
                "computed_in": precision,
                HELD_OUT_BY: held_out_by,
                HELD_OUT_GROUPS: sorted({examples[i].group for i in material.parts.held_out}),
            },
        ),
    }


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe for the card, which travels: of files here it keeps the names."""
    settings = recipe.model_dump(mode="json")
    for part in (settings, settings["teacher"]):
        part["weights"] = Path(part["weights"]).name
    return settings


def _origin(recipe: Recipe) -> str:
    return {"imagenet": "ImageNet", "none": "no"}.get(recipe.weights, Path(recipe.weights).name)
