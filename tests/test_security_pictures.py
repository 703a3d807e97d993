"""Hostile pictures: whatever a file says of itself, reading it ends soon, in bounded memory, and without a crash."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from itertools import product
from typing import Any

import bombs
import hostile
import numpy as np
import pytest
from PIL import Image

from watcher.vision.decode import decode
from watcher.vision.outcome import Failed
from watcher.vision.structure import MOST_PARTS, MOST_STRIPS, overladen, too_many_scans

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

# How many damaged pictures are tried. WATCHER_TEST_FUZZ=1000000 takes minutes.
COUNT = int(os.environ.get("WATCHER_TEST_FUZZ", "10000"))
AT_ONCE = 5000
LONGEST_SECONDS = 10.0
MOST_MEMORY = 300 << 20


def in_a_process(*words: str) -> dict[str, Any]:
    """In one with limits of its own; a crash of it is a fault of this test."""
    command = [sys.executable, hostile.__file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (words, done.returncode, done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("seed", range(max(1, COUNT // AT_ONCE)))
def test_damaged_pictures_do_no_harm(seed: int) -> None:
    """Bits turned over, lengths that lie, pieces lost, doubled and moved: a picture or a reason, each within seconds."""
    found = in_a_process("fuzz", str(seed), str(AT_ONCE))
    assert found["fallen"] == []
    assert found["slowest"] < LONGEST_SECONDS
    assert found["memory"] < 2 * MOST_MEMORY
    assert AT_ONCE / 20 < found["read"] < AT_ONCE  # neither so much damage nor so little that nothing is tried


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_does_not_go_off(name: str) -> None:
    """It is refused or read, soon and in little more memory than its own size."""
    found = in_a_process("bomb", name)
    assert found["seconds"] < LONGEST_SECONDS
    assert found["memory"] < MOST_MEMORY


class TestWhatIsNoBomb:
    """Pictures of many parts that programs do write."""

    def test_a_large_png_in_small_chunks(self) -> None:
        """Some write chunks of 4 KiB."""
        rows = zlib.compress(np.random.default_rng(0).integers(0, 256, (2000, 3001), np.uint8).tobytes(), 1)
        pieces = b"".join(hostile.chunk(b"IDAT", rows[at : at + 4096]) for at in range(0, len(rows), 4096))
        header = struct.pack(">IIBBBBB", 1000, 2000, 8, 2, 0, 0, 0)
        assert overladen(hostile.PNG + hostile.chunk(b"IHDR", header) + pieces) is None

    def test_a_tall_tiff_of_single_rows(self) -> None:
        """Of as many strips as it has rows."""
        image = Image.new("L", (4, 30_000), 7)
        data = hostile.encoded(image, "TIFF", compression="raw", tiffinfo={278: 1})
        assert overladen(data) is None
        assert not isinstance(decode(data, 1), Failed)

    def test_a_progressive_jpeg_of_many_scans(self) -> None:
        """There may be the more, the smaller the picture is."""
        assert too_many_scans(b"\xff\xd8" + b"\xff\xda" * 50, 100_000_000) is None
        assert too_many_scans(b"\xff\xd8" + b"\xff\xda" * 51, 100_000_000) == "51 scans"
        assert too_many_scans(b"\xff\xd8" + b"\xff\xda" * 1000, 3_000_000) is None
        assert not isinstance(decode(bombs.jpeg(scans=30, size=(200, 200)), 1), Failed)

    @pytest.mark.parametrize("data", [b"", *(seed[:end] for seed in hostile.seeds() for end in (4, 11, 30, None))])
    def test_small_pictures_whole_or_cut(self, data: bytes) -> None:
        """To count parts is no reason to stumble."""
        assert overladen(data) is None

    @pytest.mark.parametrize("over", [0, 1])
    def test_the_limits_are_where_they_are_said_to_be(self, over: int) -> None:
        """One part more is too many."""
        refused = [
            overladen(bombs.gif(b"\x01" * (MOST_PARTS - 1 + over))) is not None,
            overladen(bombs.strips(MOST_STRIPS + over)) is not None,
            overladen(bombs.jpeg(b"\xff\xfe\0\x02" * (MOST_PARTS + 5 * over))) is not None,
        ]
        assert refused[:2] == [bool(over)] * 2
        assert refused[2]  # with its own segments


DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7 (PNG, 8.2): where each pass begins, and its steps.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]


def rows(values: np.ndarray, depth: int) -> bytes:
    """Rows of samples as a PNG has them, each with a filter of its own kind: none, or the sample to the left."""
    out = b""
    for number, row in enumerate(values):
        samples = row.reshape(-1)
        if depth == 16:
            packed = samples.astype(">u2").tobytes()
        else:
            bits = (samples[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            packed = np.packbits(bits.astype(np.uint8)).tobytes()
        if number % 2:
            step = max(1, values.shape[2] * depth // 8)
            shifted = bytes(step) + packed[:-step] if step < len(packed) else bytes(len(packed))
            packed = bytes((a - b) % 256 for a, b in zip(packed, shifted, strict=True))
        out += bytes([number % 2]) + packed
    return out


def suite(colour: int, depth: int, *, interlaced: bool, size: tuple[int, int], transparent: bool) -> bytes:
    """A PNG of one kind, made of the same samples whether it is interlaced or not."""
    width, height = size
    samples = np.random.default_rng(width * height).integers(0, 1 << depth, (height, width, CHANNELS[colour]))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    extra = b""
    if colour == 3:
        extra += hostile.chunk(b"PLTE", bytes(range(256))[: 3 << min(depth, 6)] * (4 if depth == 8 else 1))
    if transparent and colour in (0, 2, 3):
        extra += hostile.chunk(b"tRNS", b"\0\1" * CHANNELS[colour] if colour != 3 else b"\x80")
    if not interlaced:
        pixels = rows(samples, depth)
    else:
        parts = [samples[top::down, left::right] for left, top, right, down in PASSES]
        pixels = b"".join(rows(part, depth) for part in parts if part.size)
    return (
        hostile.PNG
        + hostile.chunk(b"IHDR", header)
        + extra
        + hostile.chunk(b"IDAT", zlib.compress(pixels))
        + hostile.chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_of_png_is_read(colour: int, depth: int) -> None:
    """All colour types and depths, of odd sizes, with and without transparency: interlaced or not, the pixels agree."""
    for size, transparent in product(((1, 1), (3, 2), (9, 7), (33, 20)), (False, True)):
        plain, laced = (
            decode(suite(colour, depth, interlaced=interlaced, size=size, transparent=transparent), 1)
            for interlaced in (False, True)
        )
        assert isinstance(plain, Image.Image) and isinstance(laced, Image.Image), (plain, laced)
        assert plain.size == size
        assert (np.asarray(plain) == np.asarray(laced)).all()
    gray = decode(suite(0, 8, interlaced=False, size=(9, 7), transparent=False), 1)
    assert isinstance(gray, Image.Image)
    expected = np.random.default_rng(63).integers(0, 256, (7, 9, 1))
    assert (np.asarray(gray) == expected).all()
