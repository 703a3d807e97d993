"""Annotated copies as files, and what can be read back from any file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from watcher.vision.encode import Caption, Format, annotated_name, encode, read_caption, suffix_for

CAPTION = Caption("01J9Z3", "malaria", 3, "Parasitized", 0.973)
ANY_TEXT = st.text(st.characters())  # lone surrogates, too
CAPTIONS = st.builds(
    Caption,
    claim=ANY_TEXT,
    model=ANY_TEXT,
    version=st.integers(0, 2**63 - 1),
    label=ANY_TEXT,
    score=st.floats(0, 1),
)
FORMATS: tuple[Format, ...] = ("jpeg", "png")
NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
PICTURE = Image.fromarray(NOISE)


@given(CAPTIONS, st.sampled_from(FORMATS))
def test_a_caption_in_any_script_survives(caption: Caption, format: Format) -> None:
    """What was written into a copy is what is read from it."""
    assert read_caption(encode(PICTURE, format, caption).data) == caption


def test_other_programs_find_the_caption() -> None:
    """The record lies where Pillow, and with it exiftool and others, finds comments."""
    png = Image.open(io.BytesIO(encode(PICTURE, "png", CAPTION).data))
    jpeg = Image.open(io.BytesIO(encode(PICTURE, "jpeg", CAPTION).data))
    record = {"claim": "01J9Z3", "model": "malaria", "version": 3, "label": "Parasitized", "score": 0.973}
    assert json.loads(png.info["watcher"]) == {"watcher": record}
    assert json.loads(jpeg.info["comment"]) == {"watcher": record}


@pytest.mark.parametrize(("format", "suffix", "error"), [("jpeg", ".jpg", 12.0), ("png", ".png", 0.0)])
def test_the_picture_comes_back(format: Format, suffix: str, error: float) -> None:
    """A PNG keeps every pixel, a JPEG keeps the picture, and the ending tells which it is."""
    smooth = PICTURE.resize((320, 240), Image.Resampling.BICUBIC)
    encoded = encode(smooth, format, CAPTION)
    read = Image.open(io.BytesIO(encoded.data)).convert("RGB")
    assert encoded.suffix == suffix
    assert np.abs(np.asarray(read, float) - np.asarray(smooth, float)).mean() <= error


def test_what_is_too_long_for_jpeg_becomes_png() -> None:
    """JPEG ends at 65,500 pixels a side; one more gives a PNG instead of an error."""
    assert encode(Image.new("RGB", (65_500, 1)), "jpeg", CAPTION).suffix == ".jpg"
    longer = encode(Image.new("RGB", (1, 65_501)), "jpeg", CAPTION)
    assert longer.suffix == ".png"
    assert read_caption(longer.data) == CAPTION


@pytest.mark.parametrize(("label", "score"), [("x", float("nan")), ("x", float("inf")), ("感" * 20_000, 0.5)])
def test_a_caption_that_cannot_be_kept_is_refused(label: str, score: float) -> None:
    """A score that JSON cannot hold and a label that no comment can hold are errors when written."""
    with pytest.raises(ValueError, match=r"caption|JSON"):
        encode(PICTURE, "png", Caption("1", "m", 1, label, score))


@pytest.mark.parametrize("start", [b"", b"\xff\xd8", b"\xff\xd8\xff\xfe", b"\x89PNG\r\n\x1a\n"])
@given(rest=st.binary(max_size=300))
def test_foreign_bytes_have_no_caption(start: bytes, rest: bytes) -> None:
    """Bytes that nobody wrote a caption into give None and raise nothing."""
    assert read_caption(start + rest) is None


@given(st.sampled_from(FORMATS), st.data())
def test_damaged_copies_raise_nothing(format: Format, data: st.DataObject) -> None:
    """A copy cut short, or with a byte changed, gives a caption or None."""
    whole = encode(PICTURE, format, CAPTION).data
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    assert read_caption(cut) in {None, CAPTION}
    at, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    changed = read_caption(whole[:at] + bytes([byte]) + whole[at + 1 :])
    assert format == "jpeg" or changed in {None, CAPTION}  # a PNG chunk has a checksum


@pytest.mark.parametrize(
    "record",
    [
        {"claim": 1},
        {"version": "3"},
        {"version": True},
        {"version": 2**63},
        {"score": 1.1},
        {"score": None},
        {"label": ["x"]},
        {"more": 1},
    ],
)
def test_records_of_the_wrong_kinds_are_no_captions(record: dict[str, object]) -> None:
    """A comment that only looks like ours is ignored."""
    ours = json.loads(Image.open(io.BytesIO(encode(PICTURE, "png", CAPTION).data)).info["watcher"])["watcher"]
    assert read_caption(_commented({"watcher": ours})) == CAPTION
    assert read_caption(_commented({"watcher": ours | record})) is None
    assert read_caption(_commented([ours])) is None
    assert read_caption(_commented({"watcher": [[[]]]})) is None


def _commented(record: object) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", comment=json.dumps(record).encode())
    return buffer.getvalue()


def test_deeply_nested_json_is_harmless() -> None:
    """A comment made to exhaust the stack gives None."""
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", comment=b"[" * 60_000)
    assert read_caption(buffer.getvalue()) is None


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "BMP"])
def test_other_formats_have_no_caption(format: str) -> None:
    """Only JPEG and PNG are looked into."""
    buffer = io.BytesIO()
    PICTURE.save(buffer, format)
    assert read_caption(buffer.getvalue()) is None


def test_the_caption_of_a_huge_copy_is_read() -> None:
    """Only the header counts: a copy too large to open, and without its pixels, still has its caption."""
    data = bytearray(encode(PICTURE, "png", CAPTION).data)
    data[16:24] = (2**30).to_bytes(4, "big") * 2
    assert read_caption(bytes(data[: data.index(b"IDAT") + 4])) == CAPTION


def test_a_file_that_claims_to_be_huge_is_left_at_once(tmp_path: Path) -> None:
    """A chunk said to be 4 GB long is passed over, not read."""
    path = tmp_path / "hostile.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xfftEXt")
    assert read_caption(path) is None


def test_a_path_is_read_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    """A file that is not there is the caller's to know about, not a foreign file."""
    path = tmp_path / "copy.jpg"
    path.write_bytes(encode(PICTURE, "jpeg", CAPTION).data)
    assert read_caption(path) == read_caption(str(path)) == CAPTION
    with pytest.raises(FileNotFoundError):
        read_caption(tmp_path / "missing.jpg")


@pytest.mark.parametrize(
    ("name", "auto"),
    [
        ("a.jpg", "jpeg"),
        ("a.JPEG", "jpeg"),
        ("a.jpe", "jpeg"),
        ("a.JFIF", "jpeg"),
        ("a.png", "png"),
        ("a.PNG", "png"),
        ("a.tif", "jpeg"),
        ("a.webp", "jpeg"),
        ("png", "jpeg"),
        ("a", "jpeg"),
    ],
)
def test_the_format_follows_the_name_unless_it_is_set(name: str, auto: Format) -> None:
    """`auto` keeps JPEG and PNG as they are and makes JPEG of the rest; a setting overrules it."""
    assert suffix_for(name, "auto") == auto
    assert suffix_for(name, "jpeg") == "jpeg"
    assert suffix_for(name, "png") == "png"


@pytest.mark.parametrize(
    ("name", "jpeg", "png"),
    [
        ("a.JPEG", "a.JPEG", "a.png"),
        ("a.png", "a.jpg", "a.png"),
        ("scan.tif", "scan.jpg", "scan.png"),
        ("scan.tar.webp", "scan.tar.jpg", "scan.tar.png"),
        ("scan", "scan.jpg", "scan.png"),
        ("Fig. 3", "Fig. 3.jpg", "Fig. 3.png"),
        ("slide 2026.11.30", "slide 2026.11.30.jpg", "slide 2026.11.30.png"),
        (".tif", ".tif.jpg", ".tif.png"),
        ("感染.tiff", "感染.jpg", "感染.png"),
    ],
)
def test_a_copy_keeps_its_name_as_far_as_its_format_allows(name: str, jpeg: str, png: str) -> None:
    """An ending that fits stays as it is, another file type is replaced, anything else is kept."""
    assert annotated_name(name, ".jpg") == jpeg
    assert annotated_name(name, ".png") == png
