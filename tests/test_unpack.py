"""An archive becomes a folder of pictures, all of it or nothing; one that is not what it should be becomes nothing."""

from __future__ import annotations

import stat
import zipfile
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import homes
import pytest
from archives import cells, check, zipped

from watcher.errors import DataError
from watcher.training import unpack as room
from watcher.training.datasets import MALARIA, DataSet
from watcher.training.unpack import BadArchive, unpack

PICTURE = "cell_images/Parasitized/C1P1ThinF_IMG_20150604_104722_cell_0.png"


def unpacked(
    tmp_path: Path, archive: Mapping[str, bytes] | bytes, known: DataSet = MALARIA, **more: int
) -> list[tuple[int, int]]:
    """Unpacks into `tmp_path/out`; what was told of the progress."""
    path, told = tmp_path / "a.zip", []
    path.write_bytes(archive if isinstance(archive, bytes) else zipped(archive, **more))
    unpack(path, known, tmp_path / "out", lambda done, total: told.append((done, total)))
    return told


def refused(tmp_path: Path, archive: Mapping[str, bytes] | bytes, known: DataSet = MALARIA) -> str:
    """Why an archive is refused, in one line; nothing of it is anywhere."""
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(BadArchive) as fault:
        unpacked(tmp_path / "in", archive, known)
    assert homes.paths(tmp_path) == {"in/a.zip"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.zip"]
    assert "\n" not in str(fault.value)
    return str(fault.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_the_pictures_alone_are_unpacked(tmp_path: Path, method: int) -> None:
    """Byte for byte, without Thumbs.db and what macOS adds; progress goes from the first to the last."""
    told = unpacked(tmp_path, cells(), compression=method)
    check(tmp_path / "out")
    assert told == [(number, 18) for number in range(1, 19)]


def test_what_else_is_in_the_archive_stays_there(tmp_path: Path) -> None:
    """Other folders, deeper ones, texts, hidden files and names that no file should have."""
    more = (
        "readme.png",
        "cell_images/Other/a.png",
        "cell_images/Parasitized/deep/a.png",
        "cell_images/Parasitized/a.txt",
    )
    odd = ("cell_images/Parasitized/a\x1b[2J.png", "cell_images/Parasitized/" + "x" * 300 + ".png")
    unpacked(tmp_path, cells() | dict.fromkeys((*more, *odd), b"?"))
    check(tmp_path / "out")


def test_an_empty_folder_may_be_there_and_so_may_half_of_an_earlier_try(tmp_path: Path) -> None:
    """What a crash left is no part of the result."""
    (tmp_path / "out").mkdir()
    homes.drop(tmp_path / ".out.unpacking", "Parasitized/half.png", b"half")
    unpacked(tmp_path, cells())
    check(tmp_path / "out")
    assert homes.paths(tmp_path / ".out.unpacking") == set()


@pytest.mark.parametrize(
    "name",
    ["cell_images/Parasitized/../../../C9.png", "../C9.png", "/tmp/C9.png", "cell_images\\..\\..\\C9.png", "C:/C9.png"],
)
def test_a_path_that_leads_elsewhere_damns_the_archive(tmp_path: Path, name: str) -> None:
    """The rest of such an archive is not to be trusted either."""
    assert "leads out of the folder" in refused(tmp_path, cells() | {name: b"evil"})


def test_links_and_passwords_are_refused(tmp_path: Path) -> None:
    """A link could point at anything."""
    link, locked = (zipfile.ZipInfo("cell_images/Parasitized/C9.png") for _ in range(2))
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a link" in refused(tmp_path, zipped({**cells(), link: b"/etc/passwd"}))  # type: ignore[dict-item]
    data = bytearray(zipped({**cells(), locked: b"secret"}))  # type: ignore[dict-item]
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert "has a password" in refused(tmp_path, bytes(data))


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    """One would take the other's place."""
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped({**cells(), zipfile.ZipInfo(PICTURE): b"other"})  # type: ignore[dict-item]
    assert "two pictures in it have one name" in refused(tmp_path, twice)


def test_an_archive_without_a_label_is_another_set(tmp_path: Path) -> None:
    """The folders that are missing are named."""
    half = {name: data for name, data in cells().items() if "Uninfected" not in name}
    assert refused(tmp_path, half) == "it is not the set malaria: there are no pictures in cell_images/Uninfected"
    assert "cell_images/Parasitized or cell_images/Uninfected" in refused(tmp_path, {"a.png": b"a"})


def test_what_is_far_too_much_is_not_unpacked(tmp_path: Path) -> None:
    """Neither in bytes, which zeros pack into nearly nothing, nor in files."""
    bomb = cells() | {"cell_images/Parasitized/C9.png": bytes(2_000_000)}
    assert "19 pictures with 2.0 MB are in it" in refused(tmp_path, bomb, replace(MALARIA, most_bytes=1_000_000))
    few = replace(MALARIA, counts={"Parasitized": 1, "Uninfected": 0})
    assert "18 pictures" in refused(tmp_path, cells(), few)


def test_a_member_that_is_larger_than_it_says_is_damage(tmp_path: Path) -> None:
    """No more is written than was counted."""
    data = bytearray(zipped({**cells(), "cell_images/Parasitized/C9.png": bytes(2_000_000)}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    assert "Bad CRC-32" in refused(tmp_path, bytes(data))


def test_damage_is_found(tmp_path: Path) -> None:
    """In a picture, stored or compressed in any way, in the list at the end, or all over."""
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        data = bytearray(zipped(cells(), method))
        at = data.index(PICTURE.encode()) + len(PICTURE) + 40
        data[at : at + 99] = bytes(99)
        assert "damaged" in refused(tmp_path, bytes(data))
    assert "damaged" in refused(tmp_path, zipped(cells())[:-100])
    assert "no zip archive" in refused(tmp_path, b"<html>Please log in</html>")
    unknown = bytearray(zipped(cells()))
    at = unknown.index(b"PK\x01\x02", unknown.index(b"PK\x01\x02") + 200)
    while (at := unknown.find(b"PK\x01\x02", at)) >= 0:
        unknown[at + 10] = 77  # a method of compression that nobody has
        at += 4
    assert "damaged" in refused(tmp_path, bytes(unknown))


def test_a_full_disk_is_found_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how much is needed."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage(0, 0, 30_000))
    with pytest.raises(DataError, match=r"has 0\.0 MB free, and 0\.\d MB are needed"):
        unpacked(tmp_path, cells())
    assert homes.paths(tmp_path) == {"a.zip"}


def test_a_disk_that_fills_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    """Another program may be quicker than we are. Other faults of the disk are the system's to name."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    archive = zipped(cells() | {"cell_images/Parasitized/C9.png": bytes(50_000)})
    (tmp_path / "a.zip").write_bytes(archive)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(DataError, match="has no room left"):
            unpack(tmp_path / "a.zip", MALARIA, tmp_path / "out", lambda *_: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert homes.paths(tmp_path) == {"a.zip"}
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "b.zip", MALARIA, tmp_path / "out", lambda *_: None)
