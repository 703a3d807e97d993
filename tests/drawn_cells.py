"""Red blood cells as drawn by chance: what the shipped malaria model's trial pictures are, for real ones may not be shipped.

python tests/drawn_cells.py    # writes watcher/models/malaria/trial-pictures.zip
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from watcher.models import trial_pictures
from watcher.models.builtin import SHIPPED
from watcher.models.durable import replace_bytes

SIDE, COUNT = 128, 160
STAINS = np.array([(215, 150, 150), (190, 165, 195), (222, 168, 172), (165, 160, 205), (210, 155, 160)], float)
PARASITE = np.array([120, 60, 130], float)
_Y, _X = np.mgrid[:SIDE, :SIDE]


def cell(chance: np.random.Generator, *, parasites: int) -> NDArray[np.uint8]:
    """One on black, [128, 128, 3] RGB: a wavy disc in one of five stains, paler in its middle, with so many dark dots."""
    x, y = 64 + chance.uniform(-2, 2, 2)
    angle, distance = np.arctan2(_Y - y, _X - x), np.hypot(_X - x, _Y - y)
    waves = sum(chance.normal() * 0.02 / k * np.cos(k * angle + chance.uniform(0, 6.28)) for k in range(2, 7))
    radius = chance.uniform(58, 63) * (1 + waves)
    stain = STAINS[chance.integers(len(STAINS))] + chance.normal(0, 6, 3)
    light = 1 + chance.uniform(0, 0.09) * np.exp(-((distance / 25) ** 2)) - 0.05 * (distance / radius) ** 4
    picture = stain * light[..., None] + (_grain(chance, 1.2, 2.0) + _grain(chance, 6, 2.5))[..., None]
    for _ in range(parasites):
        weight = _dot(chance, x, y)[..., None]
        picture = picture * (1 - weight) + PARASITE * weight
    picture[distance >= radius] = 0
    return picture.clip(0, 255).astype(np.uint8)


def _grain(chance: np.random.Generator, blur: float, contrast: float) -> NDArray[np.float64]:
    noise = chance.normal(128, 40, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(blur)), float)
    return contrast * (smooth - smooth.mean()) / (smooth.std() + 1e-6)


def _dot(chance: np.random.Generator, x: float, y: float) -> NDArray[np.float64]:
    """The chromatin of a parasite, often with the ring of its body, somewhere in the cell."""
    angle, away, size = chance.uniform(0, 6.28), chance.uniform(10, 42), chance.uniform(4, 8)
    across, down = _X - (x + away * np.cos(angle)), _Y - (y + away * np.sin(angle))
    chromatin = np.exp(-(((across / size) ** 2 + (down / (size * chance.uniform(0.6, 1.2))) ** 2) ** 1.5))
    ring = 0.5 * np.exp(-(((np.hypot(across, down) - 1.6 * size) / (0.5 * size)) ** 2))
    return 0.8 * np.clip(chromatin + ring * (chance.random() < 0.6), 0, 1)


def cells(count: int = COUNT, seed: int = 1) -> list[NDArray[np.uint8]]:
    """So many, every other with one or two parasites."""
    chance = np.random.default_rng(seed)
    return [cell(chance, parasites=int(chance.integers(1, 3)) if number % 2 else 0) for number in range(count)]


if __name__ == "__main__":
    replace_bytes(Path(SHIPPED["malaria"]) / trial_pictures.FILE, trial_pictures.pack(cells()))
