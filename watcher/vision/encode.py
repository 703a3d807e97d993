"""Annotated copies as files: JPEG or PNG, each with a caption that says in JSON what the copy is of.

The caption lies in a JPEG comment (COM) segment or a PNG tEXt chunk, as plain ASCII: JSON escapes the rest.
It is read back here from the file's header alone; Pillow would refuse very large copies and warn about
others before it came to the caption.
"""

from __future__ import annotations

import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from typing import IO, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

Format = Literal["jpeg", "png"]

JPEG_QUALITY = 90
# Run-length coding finds most of what filtered pictures and flat panels repeat: measured on cells and photos,
# files are a hundredth larger than at Pillow's default, in a third of the time.
PNG_LEVEL, PNG_STRATEGY = 1, zlib.Z_RLE
JPEG_LONGEST = 65_500  # libjpeg's JPEG_MAX_DIMENSION (jmorecfg.h)

KEY = "watcher"
LONGEST_CAPTION = 60_000  # bytes; a JPEG segment holds 65,533
MOST_PARTS = 200  # segments or chunks looked at; ours is among the first

JPEG_START, PNG_START = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
ENDINGS: dict[Format, tuple[str, ...]] = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",)}
ENDING = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Caption:
    """What an annotated copy is of."""

    claim: str  # the id of the picture's arrival
    model: str
    version: int
    label: str  # the best one
    score: float  # 0..1


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file's bytes and the ending that fits them."""

    data: bytes
    suffix: Literal[".jpg", ".png"]


def encode(image: Image.Image, format: Format, caption: Caption) -> Encoded:
    """`image` (mode RGB) as a file with its caption; too large for JPEG (65,500 px a side), it becomes a PNG.

    Raises ValueError for a caption of more than 60,000 bytes or with a score that is not finite.
    """
    text = json.dumps({KEY: asdict(caption)}, allow_nan=False)
    if len(text) > LONGEST_CAPTION:
        raise ValueError(f"the caption has {len(text)} bytes, and {LONGEST_CAPTION} at most fit")
    buffer = io.BytesIO()
    if format == "jpeg" and max(image.size) <= JPEG_LONGEST:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, comment=text.encode())
        return Encoded(buffer.getvalue(), ".jpg")
    info = PngInfo()
    info.add_text(KEY, text)
    image.save(buffer, "PNG", compress_level=PNG_LEVEL, compress_type=PNG_STRATEGY, pnginfo=info)
    return Encoded(buffer.getvalue(), ".png")


def read_caption(source: str | PathLike[str] | bytes) -> Caption | None:
    """The caption of an annotated copy, a path or its bytes; None for any other file, damaged ones included.

    Reads no pixels, and no more than 200 segments of at most 64 KiB. Raises OSError where a path cannot be
    read, as a symbolic link.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb", opener=_no_link) as file:
        for text in _texts(file):
            if caption := _parse(text):
                return caption
    return None


def _no_link(path: str, flags: int) -> int:
    """Opens neither what a symbolic link names nor, waiting for ever, a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def suffix_for(name: str, setting: Literal["auto", "jpeg", "png"]) -> Format:
    """The format of the copy of a picture called `name`: its own, or JPEG if that is neither, unless set."""
    if setting != "auto":
        return setting
    return "png" if name.lower().endswith(ENDINGS["png"]) else "jpeg"


def annotated_name(name: str, suffix: Literal[".jpg", ".png"]) -> str:
    """`name` with an ending that fits the format of `suffix`: `a.JPEG` as it is, `scan.tif` as `scan.jpg`.

    Only what looks like a file type is replaced: `Fig. 3` becomes `Fig. 3.jpg`.
    """
    if name.lower().endswith(ENDINGS["png" if suffix == ".png" else "jpeg"]):
        return name
    return ENDING.sub("", name) + suffix


def _texts(file: IO[bytes]) -> Iterator[bytes]:
    """The comments of a JPEG, or the texts under our key of a PNG, that stand before the pixels."""
    start = file.read(len(JPEG_START))
    if start == JPEG_START:
        yield from _comments(file)
    elif start + file.read(len(PNG_START) - len(start)) == PNG_START:
        yield from _chunks(file)


def _comments(file: IO[bytes]) -> Iterator[bytes]:
    """COM segments up to the first scan (ITU-T T.81, annex B)."""
    for _ in range(MOST_PARTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):  # EOI, SOS
            return
        size = int.from_bytes(head[2:], "big") - 2
        if head[1] == 0xFE:
            yield file.read(max(size, 0))
        else:
            file.seek(max(size, 0), io.SEEK_CUR)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """TEXt chunks with our key, up to the first image data (PNG, third edition, 5.3 and 11.3.3.2)."""
    for _ in range(MOST_PARTS):
        head = file.read(8)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"IEND"):
            return
        if kind == b"tEXt" and size <= LONGEST_CAPTION + len(KEY) + 1:
            body = file.read(size)
            key, _, text = body.partition(b"\0")
            if file.read(4) == zlib.crc32(kind + body).to_bytes(4, "big") and key == KEY.encode():
                yield text
        else:
            file.seek(size + 4, io.SEEK_CUR)


def _parse(text: bytes) -> Caption | None:
    """The caption that `text` is; None if it is anything else."""
    try:
        record = json.loads(text.decode("ascii"))[KEY]
        caption = Caption(**record)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return caption if _sound(caption) else None


def _sound(caption: Caption) -> bool:
    """Whether the values are of the kinds they should be; a file can say anything."""
    return (
        all(type(word) is str for word in (caption.claim, caption.model, caption.label))
        and type(caption.version) is int
        and 0 <= caption.version < 2**63
        and type(caption.score) in {int, float}
        and 0 <= caption.score <= 1
    )
