"""A lock on a file that dies with its process, and says whose it is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

# `holder` has the lock for a moment, too, which must not keep its owner-to-be from starting.
TRIES, PAUSE_SECONDS = 20, 0.05


class Locked(Exception):
    """Another process has the lock; `who` says which, in words."""

    def __init__(self, who: str) -> None:
        self.who = who
        super().__init__(who)


@contextmanager
def held(path: Path, now: datetime) -> Iterator[None]:
    """Holds the lock while the block runs. Raises Locked where another process has it already."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _locked(handle):
            raise Locked(_said(handle))
        os.ftruncate(handle, 0)
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": now.isoformat(timespec="seconds")}
        os.pwrite(handle, json.dumps(owner).encode(), 0)
        yield
    finally:
        os.close(handle)


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
