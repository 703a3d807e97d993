"""What a scan finds in the inbox, what it explains, and what it passes over in silence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from watcher.intake import scan as module
from watcher.intake.arrivals import Fingerprint, LeftAlone, Seen
from watcher.intake.scan import look, scan


def drop(path: Path, data: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def found(inbox: Path) -> tuple[set[str], dict[str, str]]:
    """The pictures, and the reasons of what is left alone."""
    items = list(scan(inbox))
    seen = [item.path for item in items if isinstance(item, Seen)]
    assert len(seen) == len(set(seen))
    return set(seen), {item.path: item.reason for item in items if isinstance(item, LeftAlone)}


def test_pictures_are_found_in_all_folders(tmp_path: Path) -> None:
    """Every regular file of a picture's name is seen, at any depth, with its fingerprint."""
    paths = {"a.jpg", "malaria/b.PNG", "malaria/slide-12/c.tiff", "x.jpg/inner.gif"}
    for path in paths:
        drop(tmp_path / path, path.encode())
    assert found(tmp_path)[0] == paths
    for item in scan(tmp_path):
        if isinstance(item, Seen):
            assert item.fingerprint == Fingerprint.of(os.stat(tmp_path / item.path))
            assert item == look(tmp_path, item.path)


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.jpg",
        b"two\nlines.jpg",
        b"-rf.jpg",
        b" .jpg",
        b"x" * 251 + b".jpg",
        "\u202egnp.exe.jpg".encode(),
        b"\\.jpg",
    ],
)
def test_any_name_of_a_picture_is_found_raw(tmp_path: Path, name: bytes) -> None:
    """A name is bytes: whatever they are, the picture is found under a path that opens it."""
    (tmp_path / "sub").mkdir()
    for folder in (b"", b"sub/"):
        with open(os.fsencode(tmp_path) + b"/" + folder + name, "wb") as file:
            file.write(b"picture")
    seen, alone = found(tmp_path)
    assert {os.fsencode(path) for path in seen} == {name, b"sub/" + name}
    assert all((tmp_path / path).read_bytes() == b"picture" for path in seen)
    assert not alone


def test_what_is_no_picture_is_left_alone_with_a_reason(tmp_path: Path) -> None:
    """Links, FIFOs, sockets, other files and folders with a picture's name are explained, and never opened."""
    drop(tmp_path / "x.jpg" / "inner.jpg")
    drop(tmp_path / "notes.txt")
    drop(tmp_path / ".outside" / "a.jpg")
    (tmp_path / "link.jpg").symlink_to("x.jpg/inner.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "folder").symlink_to(".outside")
    os.mkfifo(tmp_path / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.jpg"))
        seen, alone = found(tmp_path)
    assert seen == {"x.jpg/inner.jpg"}
    assert alone == {
        "x.jpg": module.FOLDER,
        "notes.txt": module.NOT_A_PICTURE,
        "link.jpg": module.LINK,
        "broken.jpg": module.LINK,
        "folder": module.LINK,
        "fifo.jpg": module.SPECIAL,
        "socket.jpg": module.SPECIAL,
    }


def test_by_products_get_no_mention(tmp_path: Path) -> None:
    """Half-written files, hidden folders and our own claims are neither pictures nor worth a word."""
    for path in (
        "a.jpg.part",
        ".b.jpg",
        "~$c.jpg",
        "Thumbs.db",
        ".watcher/o.i.0.d.jpg",
        "@eaDir/e.jpg",
        "s/.stfolder/f.jpg",
    ):
        drop(tmp_path / path)
    (tmp_path / ".link").symlink_to("nowhere")
    assert list(scan(tmp_path)) == []


def test_a_folder_that_may_not_be_read_is_explained(open_folder: Path, without_rights) -> None:
    """One closed folder keeps nobody else's pictures waiting."""
    drop(open_folder / "a.jpg")
    for closed, mode in (("closed", 0o000), ("names only", 0o444)):
        drop(open_folder / closed / "b.jpg")
        os.chmod(open_folder / closed, mode)
    with without_rights():
        seen, alone = found(open_folder)
    for closed in alone:
        os.chmod(open_folder / closed.split("/")[0], 0o755)  # so that it can be removed
    assert seen == {"a.jpg"}
    assert alone == {
        "closed": "the folder may not be read: Permission denied",
        "names only/b.jpg": "cannot be looked at: Permission denied",
    }


def test_an_inbox_that_may_not_be_read_is_a_fault_of_the_world(tmp_path: Path) -> None:
    """An inbox that is missing is said to be so, instead of looking empty."""
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "away"))
    with pytest.raises(NotADirectoryError):
        list(scan(drop(tmp_path / "file")))


def test_an_inbox_closed_to_us_is_a_fault_of_the_world(open_folder: Path, without_rights) -> None:
    """An inbox that may not be read is never taken for an empty one."""
    os.chmod(open_folder, 0o000)
    with without_rights(), pytest.raises(PermissionError):
        list(scan(open_folder))
    os.chmod(open_folder, 0o755)


def test_a_folder_that_goes_away_meanwhile_is_empty(tmp_path: Path) -> None:
    """Folders that are removed, or replaced by a file, while the scan is under way end nothing."""
    for name in ("one", "two", "three"):
        drop(tmp_path / name / "a.jpg")
    items = scan(tmp_path)
    first = next(items)
    assert isinstance(first, Seen)
    for name in {"one", "two", "three"} - {first.path.split("/")[0]}:
        shutil.rmtree(tmp_path / name)
        drop(tmp_path / name)
    assert list(items) == []


def test_a_file_that_goes_away_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """A picture that somebody takes back between the listing and the look is not there."""
    for number in range(5):
        drop(tmp_path / f"{number}.jpg")
    items = scan(tmp_path)
    assert isinstance(next(items), Seen)
    for path in tmp_path.iterdir():
        path.unlink()
    assert list(items) == []


def test_a_scan_below_a_folder_sees_only_that(tmp_path: Path) -> None:
    """After a folder was moved in, it alone is looked at; its paths still start at the inbox."""
    for path in ("a.jpg", "new/b.jpg", "new/deep/c.jpg", "newer/d.jpg"):
        drop(tmp_path / path)
    assert {item.path for item in scan(tmp_path, "new")} == {"new/b.jpg", "new/deep/c.jpg"}
    assert list(scan(tmp_path, "gone")) == []


def test_a_tree_without_end_is_explained(tmp_path: Path) -> None:
    """Folders in each other, deeper than any path reaches, are left alone in one place; the others go on."""
    drop(tmp_path / "a.jpg")
    inner = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=inner)
        outer, inner = inner, os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(inner)
    seen, alone = found(tmp_path)
    subprocess.run(["rm", "-rf", "d"], cwd=tmp_path, check=True)  # pytest's own cleaning cannot reach the end either
    assert seen == {"a.jpg"}
    assert list(alone.values()) == [module.TOO_LONG]


def test_a_path_is_taken_up_to_its_longest(tmp_path: Path) -> None:
    """The limit is the path's bytes below the inbox; a picture just beyond it is explained, and gives no hint."""
    folder = "/".join(["é" * 100] * 5)
    fits = f"{folder}/{'x' * (module.LONGEST_PATH - len(folder.encode()) - 5)}.jpg"
    for path in (fits, fits.replace(".jpg", "x.jpg")):
        drop(tmp_path / path)
    seen, alone = found(tmp_path)
    assert seen == {fits}
    assert alone == {fits.replace(".jpg", "x.jpg"): module.TOO_LONG}
    assert [module.is_visible(path) for path in (*seen, *alone)] == [True, False]


def test_a_scan_streams(tmp_path: Path) -> None:
    """The first of 20,000 pictures comes before the last was looked at: what is removed meanwhile is not seen."""
    first = drop(tmp_path / "first.jpg")
    for number in range(20_000):
        os.link(first, tmp_path / f"{number}.jpg")
    items = scan(tmp_path)
    begun = list(islice(items, 10))
    for path in tmp_path.iterdir():
        path.unlink()
    assert len(begun) == 10
    assert len(list(items)) == 0


def test_a_look_sees_regular_files_only(tmp_path: Path) -> None:
    """A path that became a folder, a link or nothing holds no picture any more."""
    drop(tmp_path / "a.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert look(tmp_path, "a.jpg") is not None
    for path in ("folder.jpg", "link.jpg", "gone.jpg", "a.jpg/b.jpg", "gone/b.jpg"):
        assert look(tmp_path, path) is None
