"""The clean text for any name on disk, and names that are cut to what a file system takes."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.intake.names import LONGEST, clean, cut, fitting, tagged

# What os.fsdecode makes of one name: any bytes but the separator and NUL.
RAW_NAMES = st.binary(min_size=1, max_size=255).map(
    lambda data: os.fsdecode(data.replace(b"/", b"_").replace(b"\0", b"_"))
)
RAW_PATHS = st.lists(RAW_NAMES, min_size=1, max_size=4).map("/".join)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=400)
ENDINGS = st.sampled_from([".jpg", ".PNG", ".jpeg", "", "." + "x" * 300])


@given(st.one_of(RAW_PATHS, TEXTS))
def test_clean_text_is_valid_and_has_no_control_characters(path: str) -> None:
    """Whatever bytes a name has, its clean form can be stored, printed and sent anywhere, and stays one path."""
    text = clean(path)
    assert text.encode("utf-8").decode("utf-8") == text
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)
    assert not set(text) & set("\u202a\u202b\u202d\u202e")
    assert text.count("/") == path.count("/")


@given(st.one_of(RAW_PATHS, TEXTS))
def test_what_is_clean_stays_as_it_is(path: str) -> None:
    """Cleaning twice is cleaning once."""
    assert clean(clean(path)) == clean(path)


@pytest.mark.parametrize(
    "name",
    [
        "giant panda.jpg",
        "日本語.png",
        "naïve.gif",
        "سلول‌ها.jpg",  # noqa: RUF001
        "👩‍🔬.webp",
        "100%.jpg",
        "-rf.jpg",
        " .jpg",
        "a\u00a0b.jpg",
    ],
)
def test_people_see_their_names_unchanged(name: str) -> None:
    """Any script, joiners, blanks and signs are left alone."""
    assert clean(name) == name


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9.jpg", "caf%E9.jpg"),
        (b"two\nlines\t.jpg", "two%0Alines%09.jpg"),
        (b"\x1b[31mred.jpg", "%1B[31mred.jpg"),
        (b"\x7f.jpg", "%7F.jpg"),
        ("\u202egpj.exe.jpg".encode(), "%E2%80%AEgpj.exe.jpg"),
        ("a\u2028b.jpg".encode(), "a%E2%80%A8b.jpg"),
        (b"\xed\xa0\x80.jpg", "%ED%A0%80.jpg"),  # a surrogate, which UTF-8 forbids
        ("é".encode() + b"\xe9.jpg", "é%E9.jpg"),
    ],
)
def test_rogue_bytes_are_written_out(raw: bytes, text: str) -> None:
    """What cannot be shown, or would make a name pass for another, is shown as its bytes."""
    assert clean(os.fsdecode(raw)) == text


@given(st.one_of(RAW_PATHS, TEXTS.map(clean)), ENDINGS)
def test_a_fitting_path_keeps_within_every_names_length(path: str, ending: str) -> None:
    """No name of a path is too long for a file system, and one that was not too long is unchanged."""
    path += ending
    fitted = fitting(path)
    before, after = path.split("/"), fitted.split("/")
    assert len(after) == len(before)
    assert all(len(os.fsencode(name)) <= LONGEST for name in after)
    assert all(new == old for old, new in zip(before, after, strict=True) if len(os.fsencode(old)) <= LONGEST)


@given(st.one_of(RAW_PATHS, TEXTS.map(clean)), ENDINGS)
def test_a_tagged_name_stays_in_its_folder_and_fits(path: str, ending: str) -> None:
    """The tag makes a name of the same folder that is not too long and does not lose the tag."""
    path += ending
    made = tagged(path, "abcdefgh")
    assert os.path.dirname(made) == fitting(os.path.dirname(path))
    assert "~abcdefgh" in os.path.basename(made)
    assert all(len(os.fsencode(name)) <= LONGEST for name in made.split("/"))


@given(st.text("aé日😀", min_size=250, max_size=300), st.sampled_from([".jpg", ".tiff"]))
def test_a_long_name_keeps_its_ending_and_whole_characters(stem: str, ending: str) -> None:
    """Cutting takes from the stem, a character at a time, and no more than is needed."""
    for made, tail in ((fitting(stem + ending), ending), (tagged(stem + ending, "tag"), "~tag" + ending)):
        assert made.endswith(tail)
        kept = made.removesuffix(tail)
        assert stem.startswith(kept)
        assert LONGEST - 3 <= len(made.encode()) <= LONGEST


@given(RAW_NAMES, st.integers(-5, 300))
def test_cutting_a_raw_name_keeps_its_bytes(name: str, size: int) -> None:
    """A name that is not UTF-8 is cut as bytes: a beginning of what it was."""
    beginning = cut(name, size)
    assert len(os.fsencode(beginning)) <= max(size, 0)
    assert os.fsencode(name).startswith(os.fsencode(beginning))


def test_a_name_of_255_bytes_can_be_made_clean_fitted_and_tagged_on_disk(tmp_path: Path) -> None:
    """The longest names that a file system holds, folders too, have clean forms that it holds as well."""
    raw = os.fsdecode(b"\xe9" * 255 + b"/" + b"\xff" * 251 + b".jpg")
    for path in (fitting(clean(raw)), tagged(clean(raw), "abcdefgh"), raw, tagged(raw, "abcdefgh")):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert len(list(tmp_path.rglob("*.jpg"))) == 4
