"""A lock on a file that dies with its process, and says whose it is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

# In the environment: which handle has the lock already, for this process was another program when it took it.
HANDED_ON = "WATCHER_LOCK_HANDLE"
# `holder` has the lock for a moment, too, which must not keep its owner-to-be from starting.
TRIES, PAUSE_SECONDS = 20, 0.05
LONGEST_OWNER = 512


class Locked(Exception):
    """Another process has the lock; `who` says which, in words."""

    def __init__(self, who: str) -> None:
        self.who = who
        super().__init__(who)


@contextmanager
def held(path: Path, now: datetime) -> Iterator[int]:
    """Holds the lock while the block runs, by the handle that it is given.

    Raises Locked where another process has it already, OSError where the file cannot be opened.
    """
    handle = _handed_on(path)
    if handle is None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _locked(handle):
            raise Locked(_said(handle))
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": now.isoformat(timespec="seconds")}
        _write(handle, json.dumps(owner).encode())
        yield handle
    finally:
        os.close(handle)


def reserve(path: Path) -> None:
    """Makes the lock's file, with room for its owner's name: so that is told on a full disk, too. Raises OSError."""
    path.write_bytes(b" " * LONGEST_OWNER)


def handed_on(handle: int) -> dict[str, str]:
    """The environment for the program that takes the place of this one, in this process, and keeps the lock."""
    os.set_inheritable(handle, True)
    return {**os.environ, HANDED_ON: str(handle)}


def _handed_on(path: Path) -> int | None:
    try:
        handle = int(os.environ[HANDED_ON])
        if not os.path.samestat(os.fstat(handle), os.stat(path)):
            return None
        os.set_inheritable(handle, False)
    except (KeyError, ValueError, OSError):
        return None
    del os.environ[HANDED_ON]
    return handle


def _write(handle: int, owner: bytes) -> None:
    """In place, so that a full disk has room for it; if it has none even so, nobody hears whose the lock is."""
    with suppress(OSError):
        os.pwrite(handle, owner.ljust(LONGEST_OWNER), 0)


def holder(path: Path) -> str | None:
    """Who holds the lock, in words; None if nobody does. A file that cannot be opened may well be held by its owner."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return "another process"
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(handle)
    else:
        return None
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False


def _said(handle: int) -> str:
    """Whose it is. Whoever has just got it takes a moment to write that down."""
    for _ in range(TRIES):
        try:
            owner = json.loads(os.pread(handle, 4096, 0))
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (ValueError, KeyError, TypeError):
            time.sleep(PAUSE_SECONDS / 10)
    return "another process"
