"""Views of the photographs that come with our dependencies: to try engines by, where a package has no sample."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from watcher.vision.decode import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.models.package import Card

PHOTOGRAPHS = (
    ("scikit-learn", "sklearn/datasets/images/china.jpg"),
    ("scikit-learn", "sklearn/datasets/images/flower.jpg"),
    ("matplotlib", "matplotlib/mpl-data/sample_data/grace_hopper.jpg"),
)


def photographs() -> list[Path]:
    """Where they stand."""
    return [Path(str(distribution(package).locate_file(path))) for package, path in PHOTOGRAPHS]


def views(card: Card, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """[count, height, width, 3] uint8: what they show, a little closer or further, mirrored, lighter or darker."""
    chance = np.random.default_rng(seed)
    originals = [Image.open(path).convert("RGB") for path in photographs()]
    found = []
    for number in range(count):
        image = originals[number % len(originals)]
        share = chance.uniform(0.8, 1.0)
        wide, high = int(image.width * share), int(image.height * share)
        left, top = (int(chance.integers(room + 1)) for room in (image.width - wide, image.height - high))
        image = image.crop((left, top, left + wide, top + high))
        if chance.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        found.append((fit(image, card) * chance.uniform(0.7, 1.0)).astype(np.uint8))
    return np.stack(found)
