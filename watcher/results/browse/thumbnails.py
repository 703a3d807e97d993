"""Small versions of annotated copies: the picture alone, for its labels stand beside it on the page."""

from __future__ import annotations

import io

from PIL import Image

from watcher.results.browse.outbox import Copy, NoCopy

SIDE = 400  # pixels of the longer side, for screens of two dots to a pixel
QUALITY = 82
# Pixels that are decoded for a thumbnail. JPEG is decoded at a fraction of its size, PNG is not.
MOST = {"image/jpeg": 300_000_000, "image/png": 60_000_000}
LARGEST = 96 * 2**20  # bytes
# Watcher writes JPEG of one scan. A file of many would take minutes, and nothing can interrupt the decoder.
MOST_SCANS = 4

Image.MAX_IMAGE_PIXELS = None  # MOST says it, without a warning on the way


def thumbnail(copy: Copy, picture: tuple[int, int] | None) -> bytes:
    """A JPEG of what of the copy is picture, whose size is given if it is known. Raises NoCopy."""
    if copy.size > LARGEST:
        raise NoCopy("Its annotated copy is too large for a thumbnail")
    data = copy.read()
    if copy.kind == "image/jpeg" and data.count(b"\xff\xda") > MOST_SCANS:
        raise NoCopy("Its annotated copy is none that Watcher makes")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return _small(image, copy.kind, picture)
    except (OSError, ValueError, SyntaxError, MemoryError, OverflowError):
        raise NoCopy("Its annotated copy is damaged") from None


def _small(image: Image.Image, kind: str, picture: tuple[int, int] | None) -> bytes:
    width, height = image.size
    if width * height > MOST[kind]:
        raise NoCopy("Its annotated copy is too large for a thumbnail")
    # The picture stands in the copy's upper left corner, pixel for pixel; its panel is below it.
    of_picture = picture if picture and picture[0] <= width and picture[1] <= height else (width, height)
    # What is decoded is at least twice as large as the thumbnail, so that it can be drawn smooth.
    enough = min(1.0, 2 * SIDE / max(of_picture))
    image.draft("RGB", (int(width * enough), int(height * enough)))
    scale = image.size[0] / width, image.size[1] / height
    box = (0, 0, max(1.0, of_picture[0] * scale[0]), max(1.0, of_picture[1] * scale[1]))
    ratio = min(1.0, SIDE / max(of_picture))
    size = max(1, round(of_picture[0] * ratio)), max(1, round(of_picture[1] * ratio))
    rgb = image.convert("RGB")
    small = (
        rgb
        if (*rgb.size, box) == (*size, (0, 0, *size))
        else rgb.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=2.0)
    )
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
