"""Bringing a model from outside into the registry, with every doubt about it said."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError
from watcher.models import imagenet
from watcher.models.builtin import BUILT_IN, install_weights
from watcher.models.labels import label_fault
from watcher.models.package import CARD, first_line, import_keras, load, load_keras, read
from watcher.models.preprocessing import with_preprocessing
from watcher.models.soundness import check_probabilities

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import keras

    from watcher.models.package import Package, Resize
    from watcher.models.preprocessing import Mode
    from watcher.models.registry import Registry


def import_model(
    registry: Registry,
    name: str,
    path: Path,
    now: datetime,
    *,
    labels: Path | None = None,
    preprocess: Mode = "none",
    resize: Resize = "squash",
) -> Package:
    """Installs what `path` holds as the next version of `name`.

    A package's folder, a whole `.keras` model (with `labels`, a text file of one label a line, unless
    it has ImageNet's 1000), or an HDF5 weights file if `name` is a built-in architecture. Raises
    ModelError with what is wrong and what would be right.
    """
    if (path / CARD).is_file():
        package = read(path)
        check_probabilities(load(package), str(path))
        # What its card says of its weights was checked elsewhere, by whoever made it.
        return registry.install_package(name, package, now, verified=False)
    if path.is_dir():
        raise ModelError(f"{path} is a folder without {CARD}: give a model package, a .keras file or weights")
    if path.suffix != ".keras" and zipfile.is_zipfile(path):
        raise ModelError(f"{path} may be a .keras model under another name: rename it to end in .keras")
    if path.suffix == ".keras":
        if not zipfile.is_zipfile(path):
            raise ModelError(f"{path} is no .keras file: it is empty, damaged or something else")
        model = _as_classifier(path, with_preprocessing(_one_input(path, load_keras(path)), preprocess))
        card = _card_of(path, model, labels, preprocess, resize)
        return registry.install(name, model, card, now)
    if name not in BUILT_IN:
        raise ModelError(
            f"{path} is no .keras model, and weights alone are enough only for {', '.join(BUILT_IN)}: "
            f"save the whole model with model.save('{name}.keras') and import that"
        )
    return install_weights(registry, name, path, now)


def _card_of(path: Path, model: keras.Model, labels: Path | None, preprocess: Mode, resize: Resize) -> dict[str, Any]:
    height, width = model.input_shape[1:3]
    return {
        "labels": _labels(path, model.output_shape[-1], labels),
        "input_size": (height, width),
        "resize": resize,
        "base": model.name,
        "weights": f"model from {path.name}, preprocessing {preprocess}",
        "verified": False,
    }


def _one_input(path: Path, model: keras.Model) -> keras.Model:
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:] or shape[0]:
        raise ModelError(
            f"{path}: its input is {shape}, but Watcher gives (None, height, width, 3): "
            "batches of any size, with a fixed height and width"
        )
    return model


def _as_classifier(path: Path, model: keras.Model) -> keras.Model:
    """The model with one probability for each label; a single sigmoid p becomes 1 - p, p. Tried on noise."""
    keras = import_keras()
    shape = model.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ModelError(f"{path}: its output is {shape}, but Watcher needs one probability for each label")
    if shape[1] == 1:
        pixels = keras.Input(model.input_shape[1:], name="rgb")
        one = model(pixels)  # called anew: a Sequential model out of a file has no output to go on from
        other = keras.layers.Rescaling(-1.0, 1.0, name="other_label")(one)
        model = keras.Model(pixels, keras.layers.Concatenate(name="both_labels")([other, one]), name=model.name)
    check_probabilities(model, str(path))
    return model


def _labels(path: Path, count: int, given: Path | None) -> tuple[str, ...]:
    if given is None:
        if count == len(imagenet.labels()):
            return imagenet.labels()
        raise ModelError(f"{path} tells {count} labels apart: name them with --labels FILE, one a line, in order")
    try:
        labels = tuple(line.strip() for line in given.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as fault:
        raise ModelError(f"{given}: cannot be read as text: {first_line(fault)}") from fault
    if len(labels) != count or len(set(labels)) != count:
        raise ModelError(f"{given} has {len(set(labels))} different labels, but {path} tells {count} apart")
    for label in labels:
        if unfit := label_fault(label):  # as the card would say, but with the file
            raise ModelError(f"{given}: {unfit}")
    return labels
