"""From RGB 0..255 to what a network was trained on, as layers that are saved with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from watcher.models.package import import_keras

if TYPE_CHECKING:
    import keras

# The names of keras.applications.imagenet_utils.preprocess_input.
Mode = Literal["none", "tf", "torch", "caffe"]

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's channels, RGB 0..1
_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR 0..255


def with_preprocessing(model: keras.Model, mode: Mode) -> keras.Model:
    """`model` behind its preprocessing: input float32 [batch, height, width, 3], RGB 0..255."""
    if mode == "none":
        return model
    keras = import_keras()
    pixels = keras.Input(model.input_shape[1:], name="rgb")
    return keras.Model(pixels, model(preprocessed(pixels, mode)), name=model.name)


def preprocessed(pixels: keras.KerasTensor, mode: Mode) -> keras.KerasTensor:
    """RGB 0..255 as a network wants it.

    tf: -1..1. torch: 0..1, less ImageNet's mean, over its deviation. caffe: 0..255 with the channels turned
    round, less their mean. none: the network does its own.
    """
    layers = import_keras().layers
    if mode == "none":
        return pixels
    if mode == "tf":
        return layers.Rescaling(1 / 127.5, -1.0, name="preprocessing")(pixels)
    if mode == "caffe":
        return layers.Rescaling([1.0] * 3, [-mean for mean in _CAFFE_MEAN], name="preprocessing")(pixels[..., ::-1])
    scales = [1 / (255 * deviation) for deviation in _DEVIATION]
    offsets = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
    return layers.Rescaling(scales, offsets, name="preprocessing")(pixels)
