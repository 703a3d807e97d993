"""A model that needs no TensorFlow: it calls a picture red, green or blue by its mean colour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watcher.models.package import CARD, MODEL, Card, Package
from watcher.models.registry import CURRENT, Registry
from watcher.vision.decode import decode, fit
from watcher.vision.outcome import Classified, Failed, Picture

NAME = "tiny"


class Engine:
    name = "mean colour"


class MeanColour:
    """What the daemon needs of a `Vision`."""

    engine = Engine()
    tells_heat = False

    def __init__(self, package: Package) -> None:
        self.package = package

    def decode(self, data: bytes) -> Picture | Failed:
        image = decode(data, max_megapixels=1)
        return image if isinstance(image, Failed) else Picture(image, fit(image, self.package.card))

    def classify(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Classified]:
        return [self._one(pixels) for pixels in pictures]

    def _one(self, pixels: NDArray[np.uint8]) -> Classified:
        mean = pixels.mean(axis=(0, 1))
        shares = mean / mean.sum()
        labels = self.package.card.labels
        return Classified(tuple((labels[i], float(shares[i])) for i in np.argsort(-shares)))


def load(models: Path, name: str) -> MeanColour:
    """The model of a home's `models` folder, ready."""
    return MeanColour(Registry(models).current(name))


def install(models: Path, doubted: float | None = None) -> None:
    """Puts a package of the model, whose file nobody loads, into a `models` folder; lower scores than this it doubts."""
    folder = models / NAME / "1"
    folder.mkdir(parents=True)
    (folder / MODEL).write_bytes(b"mean colour")
    card = Card(
        name=NAME,
        version=1,
        labels=("red", "green", "blue"),
        input_size=(16, 16),
        resize="squash",
        base="mean colour",
        weights="none",
        verified=False,
        digest=hashlib.sha256(b"mean colour").hexdigest(),
        libraries={},
        review_threshold=doubted,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    (folder / CARD).write_text(card.model_dump_json())
    (models / NAME / CURRENT).write_text("1\n")
