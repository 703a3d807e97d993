"""Decoding: what is no picture, or a broken one, is refused with a reason that a person understands."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictures import encoded, photo, png, read, reason, tiff
from PIL import Image

from watcher.vision.decode import decode, pixels_of
from watcher.vision.outcome import Failed

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

WORDS = re.compile(r"Error|Exception|Plugin|Traceback|struct|unpack|<|0x|b'|NoneType|decoder|stream")


def samples() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(34665)[36867] = "2024:01:01 00:00:00"
    two = {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")]}
    wide = Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16) * 257)
    return {
        "JPEG": encoded(photo(), "JPEG", exif=exif),
        "progressive": encoded(photo(), "JPEG", progressive=True),
        "CMYK": encoded(photo().convert("CMYK"), "JPEG"),
        "MPO": encoded(photo(), "MPO", **two),
        "PNG": encoded(photo(), "PNG", exif=exif),
        "PNG palette": encoded(photo().quantize(16), "PNG", transparency=3),
        "PNG 16": encoded(wide, "PNG"),
        "APNG": encoded(photo(), "PNG", **two),
        "GIF": encoded(photo().quantize(64), "GIF"),
        "animation": encoded(photo(), "GIF", **two),
        "BMP": encoded(photo(), "BMP"),
        "TIFF": encoded(photo(), "TIFF", exif=exif),
        "TIFF 16": encoded(wide, "TIFF"),
        "LZW": encoded(photo(), "TIFF", compression="tiff_lzw"),
        "TIFF JPEG": encoded(photo(), "TIFF", compression="jpeg"),
        "TIFF float": encoded(photo().convert("F"), "TIFF"),
        "fax": encoded(photo().convert("1"), "TIFF", compression="group4"),
        "WebP": encoded(photo(), "WEBP"),
        "WebP lossless": encoded(photo().convert("RGBA"), "WEBP", lossless=True, exif=exif),
        "WebP animation": encoded(photo(), "WEBP", **two),
    }


SAMPLES = samples()

OTHERS = {
    "text": [
        b"hello",
        b"x",
        "Größe, 世界\n".encode(),
        "\ufeffa note".encode(),
        b"BMW is a car\n" * 9,
        "é".encode() * 999,
    ],
    "a PDF document": [b"%PDF-1.7\n%\xe2\xe3"],
    "a ZIP archive": [b"PK\x03\x04\x14\0\0\0"],
    "a HEIC or AVIF picture": [b"\0\0\0\x18ftypheic\0\0\0\0", b"\0\0\0\x20ftypavif"],
    "a sound or video file": [b"RIFF\x24\0\0\0WAVEfmt "],
    "a Photoshop file": [b"8BPS\0\x01"],
    "a PostScript file": [b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    "a JPEG 2000 picture": [b"\0\0\0\x0cjP  \r\n\x87\n"],
}


def test_an_empty_file_is_said_to_be_empty() -> None:
    """No bytes, no guess."""
    assert reason(b"") == "the file is empty"


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, files in OTHERS.items() for data in files])
def test_what_is_no_picture_is_named(kind: str, data: bytes) -> None:
    """Text, documents and pictures of other formats are called what they are, whatever their name."""
    assert reason(data).startswith(f"it is {kind}")


@pytest.mark.parametrize("data", [bytes(100), bytes(range(256)), b"\x89P", "text".encode("utf-16"), b"\xe9t\xe9"])
def test_unknown_bytes_are_said_to_be_no_picture(data: bytes) -> None:
    """What cannot be told is not guessed."""
    assert reason(data) == "it is not a picture in JPEG, PNG, WebP, TIFF, BMP or GIF, or its beginning is damaged"


@pytest.mark.parametrize("name", SAMPLES)
def test_half_a_file_is_said_to_be_cut_short(name: str) -> None:
    """Of every format, half a file is refused, and its being cut short is mentioned."""
    data = SAMPLES[name]
    cut = data[: len(data) // 4] if name in ("APNG", "MPO", "animation") else data[: len(data) // 2]
    assert "cut short" in reason(cut)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_file_never_passes_for_a_picture(name: str) -> None:
    """Wherever a file ends too early, it is refused, or every pixel was there already."""
    data = SAMPLES[name]
    whole = np.asarray(read(data))
    for end in range(1, len(data), max(1, len(data) // 150)):
        found = decode(data[:end], 100)
        assert isinstance(found, Failed) or (np.asarray(found) == whole).all()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, lost, inserted or overwritten by extreme numbers."""
    data = bytearray(SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))])
    for _ in range(draw(st.integers(1, 5))):
        # The first bytes steer the decoder, so most changes go there.
        at = draw(st.one_of(st.integers(0, min(len(data), 400)), st.integers(0, len(data))))
        piece = draw(
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]).map(lambda n: struct.pack("<I", n)),
                st.sampled_from([1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]).map(lambda n: struct.pack(">I", n)),
            )
        )
        data[at : at + draw(st.one_of(st.just(len(piece)), st.integers(0, 30)))] = piece
    return bytes(data)


@settings(max_examples=600, derandomize=True)
@given(mutated())
@example(b"\xff\xd8\xff")
@example(b"II*\0\x08\0\0\0")
def test_damaged_files_give_a_picture_or_a_reason(data: bytes) -> None:
    """Nothing in a file raises an exception; a reason is a sentence without the words of programmers."""
    found = decode(data, 1)
    if isinstance(found, Failed):
        assert found.reason
        assert "\n" not in found.reason
        assert not WORDS.search(found.reason)
    else:
        assert found.mode == "RGB"
        assert found.width * found.height > 0


def huge() -> dict[str, bytes]:
    """Pictures of 30,000 x 30,000 pixels, and a small one in a tile of that size."""
    gif, bmp = bytearray(SAMPLES["GIF"]), bytearray(SAMPLES["BMP"])
    gif[6:10], bmp[18:26] = struct.pack("<HH", 30000, 30000), struct.pack("<ii", 30000, 30000)
    packer = zlib.compressobj(1)
    tile = b"".join(packer.compress(bytes(30000)) for _ in range(30000)) + packer.flush()
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 30000, 323: 30000, 325: len(tile)}
    return {
        "PNG": png(30000, 30000, 1, 0, bytes(3751 * 30000)),
        "GIF": bytes(gif),
        "BMP": bytes(bmp),
        "tile": tiff(tags, tile, offset_in=324),
    }


MEASURE = """
import pathlib, resource, sys
from watcher.vision.decode import decode
decode(pathlib.Path(sys.argv[1]).read_bytes(), 100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    print(decode(pathlib.Path(path).read_bytes(), 100).reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_huge_picture_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    """30,000 x 30,000 pixels, however few bytes they have: a reason with the numbers, and no memory used."""
    (tmp_path / "warm").write_bytes(SAMPLES["TIFF"])
    files = [tmp_path / "warm"]
    for name, data in huge().items():
        files.append(tmp_path / name)
        files[-1].write_bytes(data)
    command = [sys.executable, "-c", MEASURE, *map(str, files)]
    *reasons, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    said = "it is 30000 x 30000 pixels (900.0 megapixels); at most 100 megapixels are read (max_megapixels in watcher.toml)"
    assert reasons == [said] * 4
    assert int(megabytes) < 60


def test_the_cap_is_on_the_number_of_pixels() -> None:
    """As many pixels as are allowed are read, one more is not; the cap may be any number."""
    data = encoded(Image.new("RGB", (100, 50)), "PNG")
    assert read(data, 0.005).size == (100, 50)
    assert "at most 0.0049 megapixels" in reason(data, 0.0049)


@pytest.mark.parametrize("name", SAMPLES)
def test_pixels_are_counted_from_the_header(name: str) -> None:
    """How many pixels a file has is known from its header."""
    assert pixels_of(SAMPLES[name]) == 1200


def test_what_is_no_picture_has_no_pixels() -> None:
    """Counting raises nothing."""
    assert pixels_of(b"") == pixels_of(b"hello") == pixels_of(b"\xff\xd8\xff") == 0


@pytest.mark.parametrize("bits", [16, 64])
def test_a_kind_of_tiff_that_cannot_be_read_is_not_called_no_picture(bits: int) -> None:
    """A sound TIFF of 16- or 64-bit floating point numbers is refused as a TIFF."""
    tags = {256: 1, 257: 1, 258: bits, 259: 1, 262: 1, 277: 1, 278: 1, 279: 8, 339: 3}
    assert reason(tiff(tags, bytes(8))).startswith("it begins like a TIFF picture, but is")
