"""What becomes of one picture. A picture that cannot be read is a value, not an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Failed:
    """The picture's own fault, in a sentence for the person who dropped it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright RGB at full size, and what the model gets of it (uint8, H x W x 3)."""

    image: Image.Image
    pixels: NDArray[np.uint8]

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


@dataclass(frozen=True, slots=True)
class Classified:
    """The labels of a picture with their scores (calibrated probabilities), best first."""

    predictions: tuple[tuple[str, float], ...]
    heat: NDArray[np.float32] | None = field(default=None, compare=False)
    """[h, w] from 0 to 1 over what the model saw: where it found its best label. None where nobody asked."""
