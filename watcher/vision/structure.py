"""What a file is built of, counted before Pillow reads it: some parts cost time out of all proportion to their size.

Pixels are counted elsewhere. This is about a PNG of millions of empty chunks, a JPEG of thousands of scans and the like,
which no program writes for people, and on which a reader could spend hours.
"""

from __future__ import annotations

import re
import struct

# Each several times what is found in real files, and yet read within seconds.
MOST_PARTS = 10_000  # of a PNG or JPEG before its pixels, or of a GIF
PART_BYTES = 1_000  # of a PNG may there be one more for so many bytes: its pixels come in parts, too
MOST_STRIPS = 100_000  # of a TIFF; strips of one row each are common
MOST_RUN_LENGTH_BYTES = 8_000_000  # of a BMP, whose runs are unpacked one by one
FEW_SCANS, MOST_SCANNED_MEGAPIXELS = 50, 3_000  # of a JPEG: so many scans, or more of a small picture

_STRIPS = {273, 324}  # StripOffsets, TileOffsets
_SCAN = b"\xff\xda"
_HAS_LENGTH = re.compile(rb"[\xc0-\xcf\xda-\xfe]")
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B


def overladen(data: bytes) -> str | None:
    """Of what a file has too much to be read; None for almost all. Takes milliseconds, and believes nothing it reads."""
    try:
        if data.startswith(b"\x89PNG"):
            return _png(data)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"GIF8"):
            return _gif(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(data)
    except (struct.error, IndexError, OverflowError):
        pass  # it is cut short, or says so large a number; others tell why it cannot be read
    return None


def too_many_scans(data: bytes, pixels: int) -> str | None:
    """Of a JPEG, each of whose scans goes over all `pixels`."""
    if not data.startswith(b"\xff\xd8"):
        return None
    scans = data.count(_SCAN)
    if scans <= FEW_SCANS or scans * pixels <= MOST_SCANNED_MEGAPIXELS * 1e6:
        return None
    return f"{scans:,} scans"


def _png(data: bytes) -> str | None:
    most = MOST_PARTS + len(data) // PART_BYTES
    at = 8
    for _ in range(most):
        if at + 12 > len(data):
            return None
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return f"more than {most:,} chunks"


def _jpeg(data: bytes) -> str | None:
    """Before the first scan, where each byte that only fills is a part, too."""
    at = 2
    for _ in range(MOST_PARTS):
        if data[at] != 0xFF or data[at + 1] == _SCAN[1]:
            return None
        if _HAS_LENGTH.match(data, at + 1):
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        else:
            at += 1 if data[at + 1] == 0xFF else 2
    return f"more than {MOST_PARTS:,} segments"


def _gif(data: bytes) -> str | None:
    """Before the first picture, where each sub-block is a part."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    inside = False
    for _ in range(MOST_PARTS):
        byte = data[at]
        if inside:
            at += 1 + byte
            inside = byte > 0
        elif byte in (_GIF_IMAGE, _GIF_END):
            return None
        elif byte == _GIF_EXTENSION:
            at += 2
            inside = True
        else:
            at += 1
    return f"more than {MOST_PARTS:,} blocks"


def _bmp(data: bytes) -> str | None:
    header, compression = struct.unpack_from("<I12xI", data, 14)
    if header < 40 or compression not in (1, 2) or len(data) <= MOST_RUN_LENGTH_BYTES:
        return None
    return f"{len(data):,} bytes of run lengths"


def _tiff(data: bytes) -> str | None:
    order, big = ("<" if data[:2] == b"II" else ">"), b"+" in data[:4]
    (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, 8 if big else 4)
    (entries,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", data, at)
    at += 8 if big else 2
    form, size = (f"{order}HHQ", 20) if big else (f"{order}HHI", 12)
    for _ in range(min(entries, 0xFFFF)):
        tag, _kind, count = struct.unpack_from(form, data, at)
        if tag in _STRIPS and count > MOST_STRIPS:
            return f"{count:,} strips or tiles"
        at += size
    return None
