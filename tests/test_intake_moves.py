"""Moving a file to a name that must be free: on one disk, across two, and with a crash at any step."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from crashes import crash_before_every_step

from watcher.intake import moves
from watcher.intake.moves import move_new, same_file, sync, write_durably

LONGEST_NAMES = ["a.jpg", "日" * 83 + ".jpg", "é" * 125 + ".jpg", os.fsdecode(b"\xff" * 251 + b".jpg"), "-\n.jpg"]


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the test's own."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def picture(path: Path, data: bytes = b"picture") -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture(params=["in one step", "by a link"])
def move(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """`move_new` on this system, and as on one whose rename cannot refuse to replace: NFS, macOS."""
    if request.param == "by a link":
        monkeypatch.setattr(moves, "_RENAMEAT2", None)
    return move_new


@pytest.mark.parametrize("name", LONGEST_NAMES, ids=["plain", "Chinese", "French", "no text", "rude"])
def test_a_file_moves_to_a_free_name(tmp_path: Path, move, name: str) -> None:
    """The very file stands under the new name, and no longer under the old."""
    (tmp_path / "done").mkdir()
    source, target = picture(tmp_path / name), tmp_path / "done" / name
    before = source.stat()
    move(source, target)
    assert os.path.samestat(target.stat(), before)
    assert not source.exists()


@pytest.mark.parametrize("taken_by", ["a file", "a folder", "a broken link", "the file itself"])
def test_a_name_that_is_taken_is_never_written_over(tmp_path: Path, move, taken_by: str) -> None:
    """Whatever has the name keeps it, and the file stays where it was; a hard link of it counts as taken, too."""
    source, target = picture(tmp_path / "a.jpg"), tmp_path / "b.jpg"
    match taken_by:
        case "a file":
            picture(target, b"somebody's")
        case "a folder":
            target.mkdir()
        case "a broken link":
            target.symlink_to("nowhere")
        case _:
            os.link(source, target)
    before = os.lstat(target)
    with pytest.raises(FileExistsError):
        move(source, target)
    assert source.read_bytes() == b"picture"
    assert os.path.samestat(os.lstat(target), before)


def test_what_is_missing_is_named(tmp_path: Path, move) -> None:
    """A source that is gone, a folder that is not there and a file in its place are told apart."""
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "gone.jpg", tmp_path / "b.jpg")
    source = picture(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError):
        move(source, tmp_path / "no folder" / "a.jpg")
    with pytest.raises(NotADirectoryError):
        move(source, picture(tmp_path / "file") / "a.jpg")
    assert source.exists()


def test_of_many_moves_to_one_name_exactly_one_wins(tmp_path: Path, move) -> None:
    """Threads that want the same free name at the same moment lose no file."""
    start = threading.Barrier(8)
    for number in range(8):
        picture(tmp_path / f"{number}.jpg", str(number).encode())

    def attempt(number: int) -> bool:
        start.wait(timeout=60)
        try:
            move(tmp_path / f"{number}.jpg", tmp_path / "target.jpg")
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert won.count(True) == 1
    assert (tmp_path / "target.jpg").read_bytes() == str(won.index(True)).encode()
    assert len(list(tmp_path.iterdir())) == 8


def test_other_peoples_files_can_be_moved(open_folder: Path, without_rights, move) -> None:
    """Linux forbids hard links to files that one could not write, but not their move within a shared folder."""
    source, target = picture(open_folder / "a.jpg"), open_folder / "b.jpg"
    source.chmod(0o600)
    with without_rights():
        move(source, target)
        picture(open_folder / "c.jpg", b"somebody's")
        with pytest.raises(FileExistsError):
            move(target, open_folder / "c.jpg")
    assert target.read_bytes() == b"picture"
    assert (open_folder / "c.jpg").read_bytes() == b"somebody's"


def test_a_folder_and_a_link_move_as_they_are(tmp_path: Path, move) -> None:
    """What took a picture's place goes back, too: a link is not followed, a folder keeps what is in it."""
    (tmp_path / "link").symlink_to("nowhere")
    move(tmp_path / "link", tmp_path / "moved link")
    assert os.readlink(tmp_path / "moved link") == "nowhere"
    (tmp_path / "folder").mkdir()
    picture(tmp_path / "folder" / "a.jpg")
    move(tmp_path / "folder", tmp_path / "moved folder")
    assert (tmp_path / "moved folder" / "a.jpg").exists()


class TestAcrossDisks:
    @pytest.mark.parametrize("name", LONGEST_NAMES, ids=["plain", "Chinese", "French", "no text", "rude"])
    def test_a_file_moves_with_its_times_and_rights(self, tmp_path: Path, other_disk: Path, name: str) -> None:
        """The copy is whole and dated like the original, which is gone; nothing else is left."""
        source, target = picture(tmp_path / name, os.urandom(3_000_000)), other_disk / name
        os.utime(source, ns=(1, 1_000_000_007))
        source.chmod(0o640)
        before, data = source.stat(), source.read_bytes()
        move_new(source, target)
        after = target.stat()
        assert target.read_bytes() == data
        assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
        assert not source.exists()
        assert list(other_disk.iterdir()) == [target]

    def test_a_name_that_is_taken_is_never_written_over(
        self, open_folder: Path, other_disk: Path, without_rights
    ) -> None:
        """Nothing is even copied: it does not matter that the file could not be read."""
        source, target = picture(open_folder / "a.jpg"), picture(other_disk / "a.jpg", b"somebody's")
        source.chmod(0o000)
        other_disk.chmod(0o777)
        with without_rights(), pytest.raises(FileExistsError):
            move_new(source, target)
        assert source.exists()
        assert target.read_bytes() == b"somebody's"
        assert list(other_disk.iterdir()) == [target]

    def test_a_copy_that_fails_leaves_no_half(self, open_folder: Path, other_disk: Path, without_rights) -> None:
        """A file that cannot be read stays where it is, and the other disk as it was."""
        source = picture(open_folder / "a.jpg")
        source.chmod(0o000)
        other_disk.chmod(0o777)
        with without_rights(), pytest.raises(PermissionError):
            move_new(source, other_disk / "a.jpg")
        assert source.exists()
        assert list(other_disk.iterdir()) == []

    def test_no_right_to_run_as_its_owner_goes_along(self, tmp_path: Path, other_disk: Path) -> None:
        """The copy is ours, and so a stranger's program would run as us; all else of its rights is kept."""
        source = picture(tmp_path / "a.jpg")
        source.chmod(0o6754)
        move_new(source, other_disk / "a.jpg")
        assert stat.S_IMODE((other_disk / "a.jpg").stat().st_mode) == 0o754

    def test_a_link_in_the_place_of_the_copy_in_work_is_not_written_through(
        self, tmp_path: Path, other_disk: Path
    ) -> None:
        """Its name can be guessed."""
        source, victim = picture(tmp_path / "a.jpg"), picture(tmp_path / "victim", b"victim")
        status = source.stat()
        (other_disk / f".watcher-{status.st_dev:x}-{status.st_ino:x}.tmp").symlink_to(victim)
        move_new(source, other_disk / "a.jpg")
        assert victim.read_bytes() == b"victim"
        assert not (other_disk / "a.jpg").is_symlink()

    def test_a_hard_link_left_by_a_crash_is_not_written_into(self, tmp_path: Path, other_disk: Path) -> None:
        """A half that became a finished file's second name is replaced, so that file keeps its bytes."""
        source = picture(tmp_path / "b.jpg", b"new")
        status = source.stat()
        finished = picture(other_disk / "a.jpg", b"finished")
        os.link(finished, other_disk / f".watcher-{status.st_dev:x}-{status.st_ino:x}.tmp")
        move_new(source, other_disk / "b.jpg")
        assert finished.read_bytes() == b"finished"
        assert (other_disk / "b.jpg").read_bytes() == b"new"
        assert len(list(other_disk.iterdir())) == 2

    def test_a_crash_before_any_step_loses_nothing(self, tmp_path: Path, other_disk: Path) -> None:
        """Either the original is there or its whole copy; the same move, tried again, ends with the copy alone."""
        script = f"""
import os
from watcher.intake.moves import move_new

DATA = bytes(range(256)) * 10_000

def target(folder):
    return Path({os.fspath(other_disk)!r}) / folder.name / "a.jpg"

def prepare(folder):
    (folder / "a.jpg").write_bytes(DATA)
    target(folder).parent.mkdir()

def work(folder):
    move_new(folder / "a.jpg", target(folder))

def check(folder):
    source = folder / "a.jpg"
    if target(folder).exists():
        assert target(folder).read_bytes() == DATA
        source.unlink(missing_ok=True)
    else:
        assert source.read_bytes() == DATA
        move_new(source, target(folder))
    assert os.listdir(target(folder).parent) == ["a.jpg"]
    assert target(folder).read_bytes() == DATA
"""
        assert crash_before_every_step(script, tmp_path) > 5


def test_bytes_are_written_anew(tmp_path: Path) -> None:
    """What stood under the name before, or under another name of it, keeps its bytes; a link is not followed."""
    old, other = picture(tmp_path / "a.jpg", b"old"), tmp_path / "b.jpg"
    os.link(old, other)
    write_durably(old, b"new")
    assert (old.read_bytes(), other.read_bytes()) == (b"new", b"old")
    (tmp_path / "link.jpg").symlink_to("b.jpg")
    write_durably(tmp_path / "link.jpg", b"newer")
    assert not (tmp_path / "link.jpg").is_symlink()
    assert other.read_bytes() == b"old"


def test_files_and_folders_can_be_synced(tmp_path: Path) -> None:
    """Waiting for the disk works for both, and says so where there is nothing to wait for."""
    sync(picture(tmp_path / "a.jpg"))
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "gone")


def test_two_names_of_one_file_are_known(tmp_path: Path) -> None:
    """Content does not count, nor does a symbolic link; what is not there is no file's name."""
    one, other = picture(tmp_path / "a.jpg"), picture(tmp_path / "b.jpg")
    os.link(one, tmp_path / "c.jpg")
    (tmp_path / "d.jpg").symlink_to("a.jpg")
    assert same_file(one, tmp_path / "c.jpg")
    assert not same_file(one, other)
    assert not same_file(one, tmp_path / "d.jpg")
    assert not same_file(one, tmp_path / "gone.jpg")
