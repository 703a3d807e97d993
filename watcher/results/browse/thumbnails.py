"""Small versions of annotated copies: the picture alone, for its labels stand beside it on the page."""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext

from PIL import Image

from watcher.results.browse.outbox import Copy, NoCopy

SIDE = 400  # pixels of the longer side, for screens of two dots to a pixel
QUALITY = 82
MOST = 300_000_000  # pixels of a copy; JPEG is decoded at a fraction of its size
MOST_DECODED = 40_000_000  # pixels that are in memory at a time, of four bytes each
MANY_DECODED = 10_000_000  # of which only one thumbnail at a time is made
LARGEST = 96 * 2**20  # bytes
# Watcher writes JPEG of one scan. A file of many would take minutes, and nothing can interrupt the decoder.
MOST_SCANS = 4

Image.MAX_IMAGE_PIXELS = None  # MOST says it, without a warning on the way
_MANY = threading.Lock()


def thumbnail(copy: Copy, picture: tuple[int, int] | None) -> bytes:
    """A JPEG of what of the copy is picture, whose size is given if it is known. Raises NoCopy."""
    if copy.size > LARGEST:
        raise NoCopy("Its annotated copy is too large for a thumbnail")
    data = copy.read()
    scans = data.count(b"\xff\xda") if copy.kind == "image/jpeg" else 1
    if scans > MOST_SCANS:
        raise NoCopy("Its annotated copy is none that Watcher makes")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return _small(image, picture, in_one=scans == 1)
    except (OSError, ValueError, SyntaxError, MemoryError, OverflowError):
        raise NoCopy("Its annotated copy is damaged") from None


def _small(image: Image.Image, picture: tuple[int, int] | None, *, in_one: bool) -> bytes:
    width, height = image.size
    if width * height > MOST:
        raise NoCopy("Its annotated copy is too large for a thumbnail")
    # The picture stands in the copy's upper left corner, pixel for pixel; its panel is below it.
    of_picture = picture if picture and picture[0] <= width and picture[1] <= height else (width, height)
    # What is decoded is at least twice as large as the thumbnail, so that it can be drawn smooth.
    enough = min(1.0, 2 * SIDE / max(of_picture))
    image.draft("RGB", (int(width * enough), int(height * enough)))
    if (decoded := _decoded(image, width * height, in_one=in_one)) > MOST_DECODED:
        raise NoCopy("Its annotated copy is too large for a thumbnail")
    with _MANY if decoded > MANY_DECODED else nullcontext():
        return _drawn(image, (width, height), of_picture)


def _decoded(image: Image.Image, whole: int, *, in_one: bool) -> int:
    """How many pixels are in memory: twice, where they are converted; all, where a JPEG comes in several scans."""
    pixels = image.size[0] * image.size[1] * (1 if image.mode == "RGB" else 2)
    return pixels if in_one else max(pixels, whole)


def _drawn(image: Image.Image, whole: tuple[int, int], of_picture: tuple[int, int]) -> bytes:
    scale = image.size[0] / whole[0], image.size[1] / whole[1]
    box = (0, 0, max(1.0, of_picture[0] * scale[0]), max(1.0, of_picture[1] * scale[1]))
    ratio = min(1.0, SIDE / max(of_picture))
    size = max(1, round(of_picture[0] * ratio)), max(1, round(of_picture[1] * ratio))
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    small = (
        rgb
        if (*rgb.size, box) == (*size, (0, 0, *size))
        else rgb.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=2.0)
    )
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
