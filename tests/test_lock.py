"""One daemon for each home, and whose claims are whose."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher import locks
from watcher.errors import HomeError
from watcher.service import lock
from watcher.service.identity import NAME, identity

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOLD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from watcher.service import lock
with lock.held(Path(sys.argv[1]), datetime(2026, 11, 23, 12, tzinfo=UTC)):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_daemon_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    """Who is refused the lock hears which process has it, where and since when."""
    with lock.held(tmp_path / "lock", NOW), pytest.raises(HomeError) as refused, lock.held(tmp_path / "lock", NOW):
        pass
    assert f"process {os.getpid()} on " in str(refused.value)
    assert "2026-11-23T12:00:00" in str(refused.value)


def test_a_lock_is_free_again_after_its_daemon(tmp_path: Path) -> None:
    """The file stays, the lock does not."""
    with lock.held(tmp_path / "lock", NOW):
        assert lock.holder(tmp_path / "lock")
    assert lock.holder(tmp_path / "lock") is None
    with lock.held(tmp_path / "lock", NOW):
        pass


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    """After SIGKILL nothing has to be cleaned up before the next start."""
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        assert f"process {holder.pid} on " in (lock.holder(path) or "")
        holder.send_signal(signal.SIGKILL)
    assert lock.holder(path) is None
    with lock.held(path, NOW):
        assert f"process {os.getpid()} on " in (lock.holder(path) or "")


def test_asking_who_holds_the_lock_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    """`status` takes the lock for a moment to see whether it is free; a daemon that starts then waits for it."""
    path = tmp_path / "lock"
    path.touch()
    asking = os.open(path, os.O_RDWR)
    fcntl.flock(asking, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [asking]).start()
    with lock.held(path, NOW):
        pass


def test_nobody_holds_a_lock_that_was_never_made(tmp_path: Path) -> None:
    """Asking makes no file."""
    assert lock.holder(tmp_path / "lock") is None
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff", b'{"pid": 1}'])
def test_a_garbled_lock_still_locks(tmp_path: Path, garbage: bytes) -> None:
    """What the file says is for people; the lock itself is the system's."""
    with lock.held(tmp_path / "lock", NOW):
        (tmp_path / "lock").write_bytes(garbage)
        assert lock.holder(tmp_path / "lock") == "another process"


def test_a_home_keeps_its_name_when_it_moves(tmp_path: Path) -> None:
    """Its claims are found again after the home was renamed; another home has another name."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    name = identity(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "moved")
    assert identity(tmp_path / "moved") == name
    assert identity(tmp_path / "two") != name


def test_a_crash_while_the_name_is_written_does_no_harm(tmp_path: Path) -> None:
    """The name appears whole or not at all, so a half-written one never stops the next start."""
    (tmp_path / f"{NAME}.tmp").write_text("ab")
    assert len(identity(tmp_path)) == 8
    assert os.listdir(tmp_path) == [NAME]


def test_a_garbled_name_is_not_guessed(tmp_path: Path) -> None:
    """With another name the claims of this home would be orphans, so a person must look."""
    (tmp_path / NAME).write_bytes(b"\xff\xfe?")
    with pytest.raises(HomeError, match="8 letters and digits"):
        identity(tmp_path)


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """The fault names the file."""
    with pytest.raises(HomeError, match=r"\.watcher-id: cannot be written"):
        identity(tmp_path / "absent")


def test_all_who_come_at_once_agree_on_the_name(tmp_path: Path) -> None:
    """A `status` that comes while the daemon starts keeps it from nothing; nothing half stays."""
    together = threading.Barrier(4)

    def ask(home: Path) -> str:
        together.wait()
        return identity(home)

    with ThreadPoolExecutor(4) as pool:
        for number in range(50):
            (home := tmp_path / str(number)).mkdir()
            assert len(set(pool.map(ask, [home] * 4))) == 1
            assert [path.name for path in home.iterdir()] == [NAME]


ANEW = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from watcher import locks
with locks.held(Path(sys.argv[1]), datetime(2026, 11, 23, 12, tzinfo=UTC)) as handle:
    print(os.getpid(), locks.HANDED_ON in os.environ, os.get_inheritable(handle), flush=True)
    sys.stdin.readline()
    if len(sys.argv) == 2:
        os.execve(sys.executable, [*sys.orig_argv, "anew"], locks.handed_on(handle))
"""


def test_a_lock_goes_over_to_the_program_that_takes_the_place_of_another(tmp_path: Path) -> None:
    """Nobody gets it in between; and no process that this one starts inherits it."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", ANEW, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout
        said = f"{process.pid} False False\n".encode()
        assert process.stdout.readline() == said
        other, got, stop = os.open(path, os.O_RDWR), [], threading.Event()

        def grab() -> None:
            while not stop.is_set():
                with suppress(BlockingIOError):
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    got.append(time.monotonic())
                    fcntl.flock(other, fcntl.LOCK_UN)

        grabbing = threading.Thread(target=grab)
        grabbing.start()
        try:
            process.stdin.write(b"\n")
            assert process.stdout.readline() == said
        finally:
            stop.set()
            grabbing.join()
        os.close(other)
        assert got == []
        process.stdin.write(b"\n")
    assert lock.holder(path) is None


def test_a_handle_that_is_no_lock_of_this_home_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    with (tmp_path / "other").open("w") as other:
        for said in (str(other.fileno()), "-1", "99999", "x"):
            monkeypatch.setenv(locks.HANDED_ON, said)
            with lock.held(tmp_path / "lock", NOW) as handle:
                assert os.path.samestat(os.fstat(handle), os.stat(tmp_path / "lock"))
    assert (tmp_path / "other").read_text() == ""


def test_a_lock_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """In one line, with the file."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(HomeError, match="lock: Is a directory"), lock.held(tmp_path / "lock", NOW):
        pass
