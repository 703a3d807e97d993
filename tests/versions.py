"""What tests of versions share: the tiny model beside one that gives every picture the next colour."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from watcher.models.package import import_keras
from watcher.models.registry import Registry

if TYPE_CHECKING:
    import keras

    from watcher.models.package import Package

NOON = datetime(2025, 11, 23, 12, tzinfo=UTC)
NEXT = {"red": "green", "green": "blue", "blue": "red"}  # what the second version calls a colour
SECOND = {
    "labels": ("red", "green", "blue"),
    "input_size": (20, 24),
    "resize": "squash",
    "base": "mean colour",
    "weights": "made by a test",
    "verified": False,
}


def mistaken() -> keras.Model:
    """Takes pictures of another size than the tiny model, and is wrong about all of them."""
    keras = import_keras()
    pixels = keras.Input((20, 24, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    softmax = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(pixels, softmax(mean), name="mean_colour")
    softmax.set_weights([np.roll(np.eye(3), 1, axis=1) / 50, np.zeros(3)])
    return model


def install_second(root: Path) -> Package:
    """The mistaken model as the next version of `tiny`, not current."""
    return Registry(root).install("tiny", mistaken(), SECOND, NOON, promote=False)


def two_versions(root: Path, tiny_home_models: Path) -> Registry:
    """A registry of its own with `tiny/1`, current, and the mistaken `tiny/2`."""
    shutil.copytree(tiny_home_models, root)
    install_second(root)
    return Registry(root)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)
