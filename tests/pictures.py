"""Pictures for tests of decoding: made by Pillow where it can, else byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from watcher.vision.decode import decode
from watcher.vision.outcome import Failed

CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photo(width: int = 40, height: int = 30) -> Image.Image:
    """A picture with edges, slopes and three different channels."""
    fractal = Image.effect_mandelbrot((width, height), (-2, -1.2, 1, 1.2), 60)
    return Image.merge(
        "RGB", (fractal, fractal.transpose(Image.Transpose.ROTATE_180), Image.new("L", fractal.size, 90))
    )


def four_corners(width: int = 48, height: int = 32) -> Image.Image:
    """Upright: red and green above, blue and black below."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for (x, y), colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), CORNERS.values(), strict=True):
        image.paste(colour, (x * half[0], y * half[1], (x + 1) * half[0], (y + 1) * half[1]))
    return image


def corners_of(image: Image.Image) -> list[str]:
    """The names of the colours at the corners: above left, above right, below left, below right."""
    x, y = image.width - 4, image.height - 4
    seen = [np.array(image.getpixel(place)) for place in ((3, 3), (x, 3), (3, y), (x, y))]
    return [min(CORNERS, key=lambda name: np.abs(np.array(CORNERS[name]) - pixel).sum()) for pixel in seen]


def read(data: bytes, max_megapixels: float = 100) -> Image.Image:
    """The decoded picture, which must be one, and RGB."""
    image = decode(data, max_megapixels)
    assert not isinstance(image, Failed), image.reason
    assert image.mode == "RGB"
    return image


def pixels(data: bytes) -> np.ndarray:
    """The decoded picture's pixels as signed numbers."""
    return np.asarray(read(data)).astype(int)


def reason(data: bytes, max_megapixels: float = 100) -> str:
    """Why the bytes are no picture, which they must not be."""
    failed = decode(data, max_megapixels)
    assert isinstance(failed, Failed)
    return failed.reason


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG; `rows` are its scan lines, each with its filter byte, not yet compressed."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(tags: dict[int, int], data: bytes, *, offset_in: int = 273) -> bytes:
    """A little-endian TIFF whose tags are whole numbers; the tag `offset_in` tells where `data` lies."""
    tags = {**tags, offset_in: 8 + 2 + 12 * (len(tags) + 1) + 4}
    out = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, value in sorted(tags.items()):
        out += struct.pack("<HHII", tag, 4, 1, value)
    return out + struct.pack("<I", 0) + data
