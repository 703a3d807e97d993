"""What a file system can do, each tried on files of our own: the reason why not, or None if it can."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.moves import move_new

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_NAME = 255
EVENT_SECONDS = 1.0
_TELL = 0x100 | 0x8 | 0x80  # inotify(7): IN_CREATE, IN_CLOSE_WRITE, IN_MOVED_TO


def renaming(folder: Path) -> str | None:
    """Whether a rename takes the place of a file, in one step as far as one can see."""
    old, new = _file(folder / "old", b"old"), _file(folder / "new", b"new")
    try:
        os.rename(new, old)
    except OSError as fault:
        return _why(fault)
    return None if old.read_bytes() == b"new" and not new.exists() else "another file stood there afterwards"


def not_replacing(folder: Path) -> str | None:
    """Whether a file can be moved so that it never takes the place of another."""
    one, other = _file(folder / "one", b"one"), _file(folder / "other", b"other")
    try:
        move_new(one, other)
    except FileExistsError:
        pass
    except OSError as fault:
        return _why(fault)
    else:
        return "a file has taken the place of another"
    try:
        move_new(one, folder / "free")
    except OSError as fault:
        return _why(fault)
    return None


def linking(folder: Path) -> str | None:
    """Whether a file can have two names."""
    try:
        os.link(_file(folder / "first", b""), folder / "second")
    except OSError as fault:
        return _why(fault)
    return None


def events(folder: Path) -> str | None:
    """Whether the system tells of a new file (inotify), as the daemon's watch would hear it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        return "this system has no inotify"
    handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if handle < 0:
        return os.strerror(ctypes.get_errno())
    try:
        if libc.inotify_add_watch(handle, os.fsencode(folder), _TELL) < 0:
            return os.strerror(ctypes.get_errno())
        _file(folder / "event", b"event")
        ready, _, _ = select.select([handle], [], [], EVENT_SECONDS)
        return None if ready else "a new file was not told of"
    finally:
        os.close(handle)


def leasing(folder: Path) -> str | None:
    """Whether the kernel can tell that a file of our own is still being written (fcntl(2), leases)."""
    path = _file(folder / "lease", b"")
    with path.open("ab"):
        if (fault := _lease(path)) is None:
            return "a file that is being written was not told of"
        if not isinstance(fault, BlockingIOError):
            return _why(fault)
    fault = _lease(path)
    return None if fault is None else _why(fault)


def _lease(path: Path) -> OSError | None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as fault:
        return fault
    finally:
        os.close(handle)
    return None


def locking(folder: Path) -> str | None:
    """Whether of two that want a lock only one gets it."""
    path = _file(folder / "lock", b"")
    with path.open("rb") as one, path.open("rb") as other:
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            return _why(fault)
        with suppress(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "two have got one lock"
    return None


def syncing(folder: Path) -> str | None:
    """Whether a new name can be made to be on the disk."""
    _file(folder / "synced", b"x")
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as fault:
        return _why(fault)
    finally:
        os.close(handle)
    return None


def long_names(folder: Path) -> str | None:
    """Whether a name of 255 bytes can be given."""
    return _named(folder, "n" * LONGEST_NAME)


def odd_names(folder: Path) -> str | None:
    """Whether names may have letters that Windows has other uses for."""
    return _named(folder, 'a:b?*"<>|.png')


def cases_apart(folder: Path) -> bool:
    """Whether `a.png` and `A.PNG` are two files."""
    _file(folder / "case", b"")
    return not (folder / "CASE").exists()


def forms_apart(folder: Path) -> bool:
    """Whether é as one letter and as e with an accent are two names, and each stays as it was given."""
    _file(folder / "e\N{COMBINING ACUTE ACCENT}", b"")
    composed = "\N{LATIN SMALL LETTER E WITH ACUTE}"
    return not (folder / composed).exists() and "e\N{COMBINING ACUTE ACCENT}" in os.listdir(folder)


def keeps_rights(folder: Path) -> bool:
    """Whether a file has the rights that it was given."""
    path = _file(folder / "rights", b"")
    with suppress(OSError):
        path.chmod(0o640)
    return stat.S_IMODE(path.stat().st_mode) == 0o640


def clock_offset(folder: Path) -> float:
    """Seconds by which the clock that dates new files is ahead of ours."""
    before = time.time()
    dated = _file(folder / "time", b"x").stat().st_mtime
    after = time.time()
    return dated - after if dated > after else min(0.0, dated - before)


def _named(folder: Path, name: str) -> str | None:
    try:
        _file(folder / name, b"")
    except OSError as fault:
        return _why(fault)
    return None if name in os.listdir(folder) else "it was given another name"


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _why(fault: OSError) -> str:
    return fault.strerror or str(fault)
