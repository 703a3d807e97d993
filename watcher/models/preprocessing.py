"""From RGB 0..255 to what a network was trained on, as layers that are saved with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from watcher.models.package import import_keras

if TYPE_CHECKING:
    import keras

# The names of keras.applications.imagenet_utils.preprocess_input.
Mode = Literal["none", "tf", "torch"]

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's channels, RGB 0..1
_DEVIATION = (0.229, 0.224, 0.225)


def with_preprocessing(model: keras.Model, mode: Mode) -> keras.Model:
    """`model` behind its preprocessing: input float32 [batch, height, width, 3], RGB 0..255.

    tf: -1..1. torch: 0..1, less ImageNet's mean, over its deviation. none: the model does its own.
    """
    if mode == "none":
        return model
    keras = import_keras()
    pixels = keras.Input(model.input_shape[1:], name="rgb")
    if mode == "tf":
        scale, offset = 1 / 127.5, -1.0
        scaled = keras.layers.Rescaling(scale, offset, name="preprocessing")(pixels)
    else:
        scales = [1 / (255 * deviation) for deviation in _DEVIATION]
        offsets = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
        scaled = keras.layers.Rescaling(scales, offsets, name="preprocessing")(pixels)
    return keras.Model(pixels, model(scaled), name=model.name)
