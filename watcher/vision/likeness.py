"""How unlike an annotated copy and a picture are: a copy is its picture, pixel for pixel, with a panel below it."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from watcher.vision.decode import decode
from watcher.vision.encode import JPEG_QUALITY, JPEG_START
from watcher.vision.outcome import Failed

# Of 255, on average. Of a copy's own picture it is nearly nothing; two of one cell line or scene differ by more.
ALIKE = 1.0
BLOCK = 16  # pixels that JPEG treats together: the last ones of a picture it mixes with the panel


def unlikeness(copy: bytes, original: bytes, max_megapixels: float) -> float:
    """From 0 to 255; below `ALIKE` the copy was drawn of this original. Infinite where either is no such picture."""
    picture = decode(original, max_megapixels)
    if isinstance(picture, Failed):
        return math.inf
    canvas = decode(copy, 4 * max_megapixels)  # with its panel it is larger
    if isinstance(canvas, Failed) or canvas.width < picture.width or canvas.height < picture.height:
        return math.inf
    if copy.startswith(JPEG_START):
        picture = _as_jpeg(picture)
    width, height = (side // BLOCK * BLOCK or side for side in picture.size)
    ours, theirs = (np.asarray(image.crop((0, 0, width, height)), np.int16) for image in (canvas, picture))
    return float(np.abs(ours - theirs).mean())


def _as_jpeg(picture: Image.Image) -> Image.Image:
    """The picture as a copy of it in JPEG shows it."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Image.open(buffer).convert("RGB")
