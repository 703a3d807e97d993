"""Changed views of a picture, as Keras layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.models.package import import_keras

if TYPE_CHECKING:
    import keras

    from watcher.training.recipe import Augment


def augmenter(settings: Augment, side: int, seed: int) -> keras.Model:
    """Changes pictures, float32 [batch, side, side, 3], RGB 0..255, when called with `training=True`."""
    layers = import_keras().layers
    fill = {"fill_mode": "reflect"} if settings.fill == "reflect" else {"fill_mode": "constant", "fill_value": 0.0}
    pixels = x = layers.Input((side, side, 3), name="rgb")
    if settings.flip != "none":
        mode = "horizontal" if settings.flip == "horizontal" else "horizontal_and_vertical"
        x = layers.RandomFlip(mode, seed=seed)(x)
    if settings.rotation:
        x = layers.RandomRotation(settings.rotation, seed=seed + 1, **fill)(x)
    if settings.zoom:
        x = layers.RandomZoom((-settings.zoom, settings.zoom), seed=seed + 2, **fill)(x)
    if settings.brightness:
        x = layers.RandomBrightness(settings.brightness, value_range=(0, 255), seed=seed + 3)(x)
    if settings.contrast:
        x = layers.RandomContrast(settings.contrast, value_range=(0, 255), seed=seed + 4)(x)
    if settings.colour:
        x = _coloured(x, settings.colour, seed + 5)
    return import_keras().Model(pixels, x, name="augment")


def _coloured(x: keras.KerasTensor, deviation: float, seed: int) -> keras.KerasTensor:
    """Each channel times its own factor, normal around 1: GaussianDropout, whose rate r means a variance of r / (1 - r)."""
    keras = import_keras()
    rate = deviation**2 / (1 + deviation**2)
    factors = keras.layers.GaussianDropout(rate, seed=seed)(keras.ops.ones_like(x[:, :1, :1, :]))
    return keras.ops.clip(x * factors, 0.0, 255.0)
