"""Pictures of few bytes that would take gigabytes or minutes of a reader that believes them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from hostile import PNG, chunk, encoded
from PIL import Image


def png(extra: bytes = b"", *, size: tuple[int, int] = (10, 10), rows: bytes | None = None) -> bytes:
    width, height = size
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((width * 3 + 1) * height)) if rows is None else rows
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(blocks: bytes, size: tuple[int, int] = (10, 10), picture: tuple[int, int] = (1, 1)) -> bytes:
    image = b"," + struct.pack("<HHHHB", 0, 0, *picture, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + blocks + image + b";"


def tiff(width: int, height: int, **more: tuple[int, int, bytes]) -> bytes:
    """Of one gray channel; `more` are tags by number: kind, count, value."""
    tags = {number: (4, 1, struct.pack("<I", value)) for number, value in ((256, width), (257, height))}
    tags |= {number: (3, 1, struct.pack("<H", value)) for number, value in ((258, 8), (259, 1), (262, 1), (277, 1))}
    tags |= {int(name[1:]): tag for name, tag in more.items()}
    entries, beyond = b"", b""
    end = 8 + 2 + 12 * len(tags) + 4
    for number, (kind, count, value) in sorted(tags.items()):
        inline = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", end + len(beyond))
        beyond += value if len(value) > 4 else b""
        entries += struct.pack("<HHI", number, kind, count) + inline
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + beyond


def jpeg(between: bytes = b"", *, after: bytes = b"", scans: int = 0, size: tuple[int, int] = (10, 10)) -> bytes:
    whole = encoded(Image.new("L", size, 128), "JPEG", progressive=scans > 0)
    if scans:
        whole = whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * scans + whole[-2:]
    return whole[:2] + between + whole[2:] + after


def webp(canvas: tuple[int, int], frames: int) -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    frame = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    sides = b"".join((side - 1).to_bytes(3, "little") for side in canvas)
    whole = part(b"VP8X", b"\x02\0\0\0" + sides) + part(b"ANIM", bytes(6)) + part(b"ANMF", bytes(16) + frame) * frames
    return b"RIFF" + struct.pack("<I", len(whole) + 4) + b"WEBP" + whole


def _squeezed(size: int) -> bytes:
    """Bytes that become `size` bytes."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def _texts(count: int) -> bytes:
    one = _squeezed(8 << 20)
    return b"".join(chunk(b"zTXt", b"%d\0\0" % number + one) for number in range(count))


def _directory(*entries: tuple[int, int, int, int]) -> bytes:
    return (
        b"II*\0\x08\0\0\0"
        + struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *e) for e in entries)
        + bytes(4)
    )


def strips(count: int, **more: tuple[int, int, bytes]) -> bytes:
    sizes = struct.pack("<I", 8) * count
    return tiff(10, 10, t273=(4, count, sizes), t279=(4, count, sizes), t278=(4, 1, struct.pack("<I", 1)), **more)


def _tiles(count: int, side: int) -> bytes:
    sizes, one = struct.pack("<I", 8) * count, struct.pack("<I", side)
    return tiff(1400, 1400, t322=(4, 1, one), t323=(4, 1, one), t324=(4, count, sizes), t325=(4, count, sizes))


def _bmp(width: int, height: int, compression: int, data: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, 0, 0, 0, 1, 0)
    return b"BM" + struct.pack("<IHHI", 58 + len(data), 0, 0, 58) + header + bytes(4) + data


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG of huge size": lambda: png(size=(2**31 - 1, 2**31 - 1), rows=b""),
    "PNG zTXt of 512 MB": lambda: png(chunk(b"zTXt", b"k\0\0" + _squeezed(1 << 29))),
    "PNG iTXt of 512 MB": lambda: png(chunk(b"iTXt", b"k\0\1\0\0\0" + _squeezed(1 << 29))),
    "PNG iCCP of 512 MB": lambda: png(chunk(b"iCCP", b"k\0\0" + _squeezed(1 << 29))),
    "PNG pixels of 512 MB": lambda: png(rows=_squeezed(1 << 29)),
    "PNG of 5000 texts": lambda: png(_texts(5000)),
    "PNG of chunks": lambda: png(chunk(b"tEXt", b"") * 3_000_000),
    "PNG of empty pixels": lambda: png(chunk(b"IDAT", b"") * 3_000_000),
    "PNG eXIf overlapping": lambda: png(
        chunk(b"eXIf", _directory(*[(i, 3, 9_000_000, 8) for i in range(60_000)]) + bytes(18 << 20))
    ),
    "PNG XMP": lambda: png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'<tiff:Orientation="' * 500_000)),
    "GIF of a huge screen": lambda: gif(b"", size=(65535, 65535)),
    "GIF of a huge picture": lambda: gif(b"", picture=(65535, 65535)),
    "GIF of frames": lambda: gif(gif(b"")[19:-1] * 1_000_000),
    "GIF of comments": lambda: gif(b"!\xfe\x01a\0" * 3_000_000),
    "GIF of sub-blocks": lambda: gif(b"!\xfe" + b"\x01a" * 5_000_000 + b"\0"),
    "GIF of nothing": lambda: gif(b"\x01" * 30_000_000),
    "TIFF of strips": lambda: strips(3_000_000),
    "TIFF of strips, compressed": lambda: strips(3_000_000, t259=(3, 1, b"\x05\0")),
    "TIFF of tiles": lambda: _tiles(1_960_000, 1),
    "TIFF of a huge tile": lambda: _tiles(1, 100_000),
    "TIFF that calls itself": lambda: _directory((256, 4, 1, 9), (257, 4, 1, 9), (330, 4, 1, 8), (34665, 4, 1, 8)),
    "TIFF of tags": lambda: (
        tiff(1, 1, **{f"t{i}": (7, 50_000_000, b"\x08\0\0\0") for i in range(1000, 30_000)}) + bytes(50 << 20)
    ),
    "BMP of huge size": lambda: _bmp(-(2**31), 2**31 - 1, 0, b""),
    "BMP of runs": lambda: _bmp(1900, 1900, 1, b"\x01\0" * 20_000_000),
    "BMP of empty rows": lambda: _bmp(1900, 1900, 1, b"\0\0" * 20_000_000),
    "JPEG of scans": lambda: jpeg(scans=10_000, size=(1900, 1900)),
    "JPEG of comments": lambda: jpeg(b"\xff\xfe\0\x02" * 5_000_000),
    "JPEG of filling": lambda: jpeg(b"\xff" * 50_000_000),
    "JPEG of stuffing": lambda: jpeg(b"\xff\0" * 25_000_000),
    "JPEG of EXIF": lambda: jpeg(b"\xff\xe1\0\x10Exif\0\0II*\0\0\0\0\0" * 500_000),
    "JPEG whose EXIF calls itself": lambda: jpeg(
        b"\xff\xe1\0\x2eExif\0\0" + _directory((34665, 4, 1, 8), (274, 3, 1, 6))
    ),
    "WebP of a huge canvas": lambda: webp((16384, 16384), 1),
    "WebP of frames": lambda: webp((1900, 1900), 500_000),
}
