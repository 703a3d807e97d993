"""Pictures that somebody has made to do harm: damaged in every way, and bombs. Reads them in a process with limits.

`python hostile.py fuzz SEED COUNT` or `python hostile.py bomb NAME` prints, as JSON, what became of them.
"""

from __future__ import annotations

import json
import random
import re
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

MEGAPIXELS = 4.0
MEMORY = 2 << 30  # of addresses, of which the libraries alone take a part
PNG = b"\x89PNG\r\n\x1a\n"


def photo(width: int = 40, height: int = 30) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 60, (height, width, 3))
    slope = np.linspace(0, 190, width)[None, :, None] + noise
    return Image.fromarray(slope.astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    """Small pictures of every format and of most of its kinds, with metadata."""
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(34665)[36867] = "2024:01:01 00:00:00"
    rest = {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")]}
    profile = zlib.compress(b"profile" * 50)
    wide = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    gray, dots = photo().convert("L"), photo().convert("1")
    found = [
        encoded(photo(), "JPEG", exif=exif, icc_profile=profile, comment=b"hello"),
        encoded(photo(), "JPEG", progressive=True, restart_marker_blocks=2),
        encoded(photo().convert("CMYK"), "JPEG"),
        encoded(photo(), "MPO", **rest),
        encoded(photo(), "PNG", exif=exif, icc_profile=profile),
        encoded(photo().quantize(16), "PNG", transparency=3),
        encoded(wide, "PNG"),
        encoded(dots, "PNG"),
        encoded(photo().convert("RGBA"), "PNG"),
        encoded(photo(), "PNG", **rest),
        encoded(photo().quantize(64), "GIF"),
        encoded(photo(), "GIF", **rest),
        encoded(photo(), "BMP"),
        encoded(photo().quantize(200), "BMP"),
        bmp_of_runs(),
        encoded(photo(), "DIB"),
        encoded(photo(), "TIFF", exif=exif),
        encoded(photo(), "TIFF", big_tiff=True),
        encoded(wide, "TIFF"),
        encoded(gray.convert("F"), "TIFF"),
        encoded(dots, "TIFF", compression="group4"),
        encoded(photo(), "WEBP", exif=exif),
        encoded(photo().convert("RGBA"), "WEBP", lossless=True),
        encoded(photo(), "WEBP", **rest),
    ]
    kinds = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma")
    return found + [encoded(photo(), "TIFF", compression=kind) for kind in kinds]


def bmp_of_runs() -> bytes:
    """Run-length coded, which Pillow reads and does not write."""
    rows = b"".join(bytes((20, row, 0, 4, 1, 2, 3, 4, 16, 9, 0, 0)) for row in range(30)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 40, 30, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = bytes(range(256)) * 4
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(rows), 0, 0, 54 + 1024) + header + palette + rows


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 5, 30))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _lie(data: bytearray, chance: random.Random) -> None:
    """About a length, an offset, a size: somewhere, mostly near the beginning, in either order of bytes."""
    size = chance.choice((1, 2, 4, 8))
    near = min(len(data), chance.choice((40, 200, len(data))))
    at = chance.randrange(max(1, near - size))
    value = chance.choice(
        (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 2**63, 2**64 - 1)
    )
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, chance.choice(("big", "little")))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _move(data: bytearray, chance: random.Random) -> None:
    """A piece doubled, left out, or put elsewhere."""
    start = chance.randrange(len(data))
    piece = bytes(data[start : start + chance.choice((1, 4, 20, 200))])
    if chance.random() < 0.5:
        del data[start : start + len(piece)]
    at = chance.randrange(len(data) + 1)
    data[at:at] = piece * chance.choice((1, 1, 2, 100))


KINDS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _lie, _lie, _cut, _move)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Damaged; of a PNG mostly inside its chunks, whose sums are right again, or nothing would look at them."""
    if data.startswith(PNG) and chance.random() < 0.8:
        parts = []
        victim = chance.randrange(8)
        for number, (kind, body) in enumerate(chunks(data)):
            changed = body
            if number == victim % 4 or chance.random() < 0.1:
                changed = _inside(kind, body, chance)
            parts.append(chunk(kind, changed))
        if chance.random() < 0.2:
            chance.shuffle(parts)
        return PNG + b"".join(parts)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if changed:
            chance.choice(KINDS)(changed, chance)
    return bytes(changed)


def _inside(kind: bytes, body: bytes, chance: random.Random) -> bytes:
    if kind == b"IDAT" and chance.random() < 0.5:
        rows = bytearray(zlib.decompress(body))
        chance.choice(KINDS)(rows, chance)
        return zlib.compress(bytes(rows), 1)
    changed = bytearray(body or b"\0")
    chance.choice(KINDS)(changed, chance)
    return bytes(changed)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def fuzz(seed: int, count: int) -> dict[str, object]:
    """What became of `count` damaged pictures: how many could be read, how long the slowest took, which fell through."""
    from watcher.vision.decode import decode, pixels_of
    from watcher.vision.outcome import Failed

    pictures, chance = seeds(), random.Random(seed)
    _limit()
    read, slowest, fallen = 0, 0.0, []
    for _ in range(count):
        data = mutated(chance.choice(pictures), chance)
        start = time.process_time()
        try:
            pixels_of(data)
            read += not isinstance(decode(data, MEGAPIXELS), Failed)
        except BaseException as fault:  # noqa: BLE001  (that is what is looked for)
            fallen.append(f"{type(fault).__name__}: {fault}: {data[:2000].hex()}")
        slowest = max(slowest, time.process_time() - start)
    return {"read": read, "slowest": slowest, "fallen": fallen, "memory": _memory()}


def bomb(name: str) -> dict[str, object]:
    """What became of one bomb."""
    from bombs import BOMBS

    from watcher.vision.decode import decode, pixels_of
    from watcher.vision.outcome import Failed

    data = BOMBS[name]()
    _limit()
    before, start = _memory(), time.process_time()
    pixels_of(data)
    found = decode(data, MEGAPIXELS)
    said = found.reason if isinstance(found, Failed) else None
    return {"seconds": time.process_time() - start, "said": said, "memory": _memory() - before}


def _memory() -> int:
    """The most that this program has had, in bytes. (getrusage counts what the process was before it, too.)"""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    result = fuzz(int(sys.argv[2]), int(sys.argv[3])) if sys.argv[1] == "fuzz" else bomb(sys.argv[2])
    print(json.dumps(result))  # noqa: T201
