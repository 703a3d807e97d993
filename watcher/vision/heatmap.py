"""Where a model looked, drawn over the picture: warm colours, and nothing where nothing spoke for the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From a little heat to the most: yellow, orange and vermilion of the palette that Okabe and Ito made for all kinds of
# colour vision, with growing weight, so that the picture shows through where it matters less.
_STOPS = (0.0, 0.5, 1.0)
_COLOURS = ((240, 228, 66), (230, 159, 0), (213, 94, 0))
_FAINTEST, _STRONGEST = 0.15, 0.65
LEGEND = "warm: what spoke for it"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Heat, float32 [h, w] from 0 to 1, and the part of a picture that it is of: left, top, right, bottom in pixels."""

    heat: NDArray[np.float32]
    box: tuple[float, float, float, float]


def warm(canvas: Image.Image, found: HeatMap) -> None:
    """Draws the heat over its part of an RGB canvas."""
    left, top, right, bottom = (round(edge) for edge in found.box)
    size = max(1, right - left), max(1, bottom - top)
    colours = np.stack([np.interp(found.heat, _STOPS, channel) for channel in zip(*_COLOURS, strict=True)], axis=-1)
    weight = np.clip((found.heat - _FAINTEST) / (1 - _FAINTEST), 0, 1) * _STRONGEST
    canvas.paste(_grown(colours, size), (left, top), _grown(255 * weight, size))


def _grown(values: NDArray[np.floating], size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(values.round().astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
