"""Decoding: the formats that are read, and which way up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import corners_of, encoded, four_corners, photo, pixels, read, reason
from PIL import Image, TiffImagePlugin, features

from watcher.vision.decode import decode, pixels_of

# Pillow tells of odd metadata; the product ignores that, but pytest puts its own filters in place.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

EXACT = [
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("BMP", {}),
    ("DIB", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", {"compression": "packbits"}),
    ("TIFF", {"big_tiff": True}),
]
ORIENTED = ["JPEG", "PNG", "WEBP", "TIFF", "MPO"]
# EXIF's orientation → the turn that a camera has made, which decoding must undo.
UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize(("form", "options"), EXACT)
def test_a_lossless_picture_is_read_to_the_pixel(form: str, options: dict) -> None:
    """What was stored is what is read."""
    assert (pixels(encoded(photo(), form, **options)) == np.asarray(photo())).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_a_jpeg_is_read(options: dict) -> None:
    """Baseline and progressive JPEG come near to what was stored."""
    found = pixels(encoded(photo(), "JPEG", quality=95, subsampling=0, **options))
    assert np.abs(found - np.asarray(photo())).mean() < 6


def test_a_gif_is_read_in_its_colours() -> None:
    """A picture of few colours survives GIF unchanged."""
    assert (pixels(encoded(four_corners(), "GIF")) == np.asarray(four_corners())).all()


@pytest.mark.parametrize(("form", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
def test_the_first_frame_stands_for_an_animation(form: str, options: dict) -> None:
    """Of an animation or a document of several pages, the first is read."""
    first, later = Image.new("RGB", (20, 10), (255, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 255))
    data = encoded(first, form, save_all=True, append_images=[later, later], **options)
    assert (pixels(data) == (255, 0, 0)).all()


def test_the_first_picture_of_a_phones_file_is_read() -> None:
    """MPO, a JPEG with more pictures behind the first, is read as its first."""
    data = encoded(four_corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32), "white")])
    assert corners_of(read(data)) == ["red", "green", "blue", "black"]


@pytest.mark.parametrize("form", ORIENTED)
@pytest.mark.parametrize("orientation", UNDO)
def test_a_picture_is_turned_upright(form: str, orientation: int) -> None:
    """All eight orientations of EXIF, in each format that has them, end upright."""
    turn = UNDO[orientation]
    taken = four_corners() if turn is None else four_corners().transpose(turn)
    exif = Image.Exif()
    exif[274] = orientation
    image = read(encoded(taken, form, exif=exif))
    assert image.size == (48, 32)
    assert corners_of(image) == ["red", "green", "blue", "black"]


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits"])
def test_a_compressed_tiff_is_turned_once(compression: str) -> None:
    """libtiff's pictures are turned upright once, not twice."""
    exif = Image.Exif()
    exif[274] = 6
    image = read(encoded(four_corners().transpose(UNDO[6]), "TIFF", compression=compression, exif=exif))
    assert corners_of(image) == ["red", "green", "blue", "black"]


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    """A number that EXIF does not know leaves the picture as it is."""
    exif = Image.Exif()
    exif[274] = orientation
    assert corners_of(read(encoded(four_corners(), "JPEG", exif=exif))) == ["red", "green", "blue", "black"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"Exif\0\0garbage, no EXIF at all",
        b"garbage" * 9,
        b"\xff" * 64,
        b"Exif\0\0MM\0*" + b"\xff" * 60,
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 50,
        bytes(40),
    ],
)
def test_senseless_metadata_are_no_fault(form: str, garbage: bytes) -> None:
    """A picture whose EXIF is garbage is read as if it had none."""
    assert corners_of(read(encoded(four_corners(), form, exif=garbage))) == ["red", "green", "blue", "black"]


def test_an_orientation_counts_beside_senseless_metadata() -> None:
    """One tag that cannot be read takes nothing from the others: the picture is turned all the same."""
    exif = Image.Exif()
    exif[274] = 6
    exif[700] = b"\xff\xfe"
    data = bytearray(encoded(four_corners().transpose(UNDO[6]), "JPEG", exif=exif))
    at = data.index(b"\x02\xbc")  # tag 700, whose type is set to one that does not exist
    data[at + 2 : at + 4] = b"\xff\xff"
    assert corners_of(read(bytes(data))) == ["red", "green", "blue", "black"]


@pytest.mark.parametrize("pointer", [34665, 34853, 40965, 330])
@pytest.mark.parametrize("target", [0, 9, 100, 0xFFFFFFFF])
def test_a_tiff_whose_metadata_point_nowhere_is_read(pointer: int, target: int) -> None:
    """Pointers of a TIFF to EXIF, GPS and previews may be wrong."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[65000] = 4
    tags[65000] = target
    data = encoded(four_corners(), "TIFF", tiffinfo=tags)
    tag = (65000).to_bytes(2, "little")
    assert data.count(tag) == 1
    data = data.replace(tag, pointer.to_bytes(2, "little"))
    assert corners_of(read(data)) == ["red", "green", "blue", "black"]


FOREIGN = [
    "PPM",
    "PCX",
    "TGA",
    "SGI",
    "ICO",
    "ICNS",
    "IM",
    "EPS",
    "PDF",
    "SPIDER",
    "DDS",
    "MSP",
    "XBM",
    "JPEG2000",
    "AVIF",
]


@pytest.mark.parametrize("form", FOREIGN)
def test_other_formats_are_refused(form: str) -> None:
    """What Pillow could open besides, some of it by starting other programs, is not read."""
    if (form == "JPEG2000" and not features.check("jpg_2000")) or (form == "AVIF" and not features.check("avif")):
        pytest.skip(f"this Pillow writes no {form}")
    mode = {"SPIDER": "F", "MSP": "1", "XBM": "1"}.get(form, "RGB")
    data = encoded(Image.new(mode, (64, 64)), form)
    assert "not a picture in JPEG, PNG, WebP, TIFF, BMP or GIF" in reason(data)
    assert pixels_of(data) == 0


def test_threads_agree_with_one_thread() -> None:
    """Many pictures decoded at a time come out as one by one."""
    files = [
        encoded(photo(40 + i, 30 + i), form, **options)
        for i in range(8)
        for form, options in [*EXACT, ("JPEG", {}), ("GIF", {}), ("WEBP", {})]
    ]
    alone = [np.asarray(decode(data, 100)) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: np.asarray(decode(data, 100)), files))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
