"""Whether another process still has a file open for writing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.intake.writers import is_being_written

fcntl = pytest.importorskip("fcntl")
pytestmark = pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="no leases on this system")


@contextmanager
def process_that(code: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that has run `code`, with `path`, and now waits until the block ends."""
    script = f"import mmap, os, sys\npath = sys.argv[1]\n{code}\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"\n"
        yield process
        process.stdin.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    return path


@pytest.mark.parametrize("mode", ["r+b", "ab", "wb"])
def test_a_process_that_has_the_file_open_for_writing_is_noticed(picture: Path, mode: str) -> None:
    """A copy that pauses for longer than the quiet period is still a copy, until its process closes the file."""
    with process_that(f"file = open(path, {mode!r})", picture):
        assert is_being_written(picture)
    assert not is_being_written(picture)


def test_a_writer_is_noticed_by_any_name_of_the_file(picture: Path) -> None:
    """A hard link in the inbox is being written as long as the other name is."""
    other = picture.with_name("b.jpg")
    os.link(picture, other)
    with process_that("file = open(path, 'ab')", picture):
        assert is_being_written(other)


def test_a_mapped_file_is_being_written(picture: Path) -> None:
    """A program may close the file and still write it through memory."""
    code = "file = open(path, 'r+b'); memory = mmap.mmap(file.fileno(), 0); file.close()"
    with process_that(code, picture):
        assert is_being_written(picture)


def test_readers_are_no_writers(picture: Path) -> None:
    """A viewer that shows the picture keeps nobody waiting."""
    with process_that("file = open(path, 'rb')", picture):
        assert not is_being_written(picture)


def test_the_lease_is_given_back(picture: Path) -> None:
    """After the question anybody may open the file for writing without waiting."""
    assert not is_being_written(picture)
    handle = os.open(picture, os.O_WRONLY | os.O_NONBLOCK)  # fails at once where a lease stands
    os.close(handle)


def test_a_file_that_a_server_has_lent_to_a_client_is_being_written(picture: Path) -> None:
    """File servers hold a lease while a client may write; asking tells them to end it, and the picture waits."""
    lend = (
        "import fcntl, signal; signal.signal(signal.SIGIO, signal.SIG_IGN); file = open(path, 'rb');"
        "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)"
    )
    with process_that(lend, picture):
        assert is_being_written(picture)
    assert not is_being_written(picture)


def test_what_is_no_regular_file_is_not_asked_about(tmp_path: Path) -> None:
    """A name that is gone, or was replaced by a link or a FIFO, neither blocks nor fails."""
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "link.jpg").symlink_to("fifo.jpg")
    for name in ("gone.jpg", "fifo.jpg", "link.jpg", "gone/a.jpg"):
        assert not is_being_written(tmp_path / name)


def test_other_peoples_files_are_not_known_about(open_folder: Path, without_rights) -> None:
    """The kernel gives leases only on one's own files; for others the answer is no, not an error."""
    theirs = open_folder / "a.jpg"
    theirs.write_bytes(b"picture")
    closed = open_folder / "b.jpg"
    closed.write_bytes(b"picture")
    theirs.chmod(0o644)
    closed.chmod(0o000)
    with without_rights():
        assert not is_being_written(theirs)
        assert not is_being_written(closed)


def test_a_writer_that_opens_meanwhile_does_not_end_us(picture: Path) -> None:
    """The kernel announces such a writer by a signal, whose default would kill the daemon."""
    asking = """
import sys
from pathlib import Path
from watcher.intake.writers import is_being_written
print(flush=True)
print(len({is_being_written(Path(sys.argv[1])) for _ in range(20_000)}))
"""
    with subprocess.Popen([sys.executable, "-c", asking, picture], stdout=subprocess.PIPE) as asker:
        assert asker.stdout.readline() == b"\n"
        while asker.poll() is None:
            os.close(os.open(picture, os.O_WRONLY))
        assert asker.returncode == 0
        assert asker.stdout.read() == b"2\n"  # they did meet: it was seen both written and not
