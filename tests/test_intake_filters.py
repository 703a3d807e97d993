"""Which names are taken for pictures, and which are passed over as somebody's half-written file."""

from __future__ import annotations

import pytest

from watcher.intake.filters import ENDINGS, has_picture_ending, is_hidden_folder, is_temporary
from watcher.intake.scan import is_visible

TEMPORARY = [
    ".cell.jpg",
    "._cell.jpg",
    ".cell.jpg.Xq3vR1",  # rsync
    ".DS_Store",
    ".syncthing.cell.jpg.tmp",
    "~syncthing~cell.jpg.tmp",
    "~$cell.jpg",
    "cell.jpg~",
    "cell.jpg.part",
    "cell.jpg.partial",
    "cell.jpg.filepart",
    "cell.jpg.crdownload",
    "Unconfirmed 12345.crdownload",
    "cell.jpg.download",
    "cell.jpg.opdownload",
    "cell.jpg.tmp",
    "cell.jpg.temp",
    "cell.jpg.swp",
    "cell.jpg.!ut",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "two\nlines.jpg.part",
    "caf\udce9.jpg.part",
]
PICTURES = [f"cell{ending}" for ending in ENDINGS] + [
    "part.jpg",
    "cell.part.jpg",
    "tmp.png",
    "thumbs.db.jpg",
    "cell~1.jpg",
    "~me.jpg",
    "-rf.jpg",
    "two\nlines.jpg",
    "caf\udce9.jpg",
    "a.b.c.gif",
]


@pytest.mark.parametrize("name", TEMPORARY)
@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_half_written_files_and_by_products_are_temporary(name: str, case) -> None:
    """Every name that a copying program gives to what is not finished is passed over, in any case."""
    assert is_temporary(case(name))
    assert not is_visible(f"slide-12/{case(name)}")


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("case", [str, str.upper, str.lower, str.title])
def test_a_picture_is_known_by_its_ending_in_any_case(name: str, case) -> None:
    """JPG, Jpg and jpg are one ending, and a word that only looks temporary does no harm elsewhere in the name."""
    assert has_picture_ending(case(name))
    assert not is_temporary(case(name))
    assert is_visible(case(name))


@pytest.mark.parametrize("name", ["cell.jpg.txt", "cell.pdf", "jpg", "cell.jp", "celljpg", "cell.jpg ", "cell.heic"])
def test_other_endings_are_no_pictures(name: str) -> None:
    """Only the formats that can be decoded count; the ending is the very end."""
    assert not has_picture_ending(name)


@pytest.mark.parametrize(
    "folder",
    [".watcher", ".stfolder", ".Trash-1000", "@eaDir", "@EADIR", "__MACOSX", "#recycle", "$RECYCLE.BIN", "lost+found"],
)
def test_nothing_below_a_folder_of_by_products_is_seen(folder: str) -> None:
    """Thumbnails and bins of network drives are not people's pictures, however deep."""
    assert is_hidden_folder(folder)
    assert not is_visible(f"{folder}/cell.jpg")
    assert not is_visible(f"malaria/{folder}/slide-12/cell.jpg")


@pytest.mark.parametrize("folder", ["eaDir", "MACOSX", "photos.tmp", "~me", "recycle", "slide 12", "-", "x.jpg"])
def test_any_other_folder_is_looked_into(folder: str) -> None:
    """A folder's name hides its pictures only where it is known for by-products."""
    assert not is_hidden_folder(folder)
    assert is_visible(f"{folder}/cell.jpg")
