"""Is somebody still writing this file? On local Linux file systems the kernel knows."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine has the regular file at `path` open for writing.

    Asks for a read lease (fcntl(2), F_SETLEASE), which the kernel refuses with EAGAIN while there
    is a writer, and gives it straight back. Where leases are not to be had (other people's files,
    network shares, other systems) the answer is False: only the quiet period protects there.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except BlockingIOError:
        return True  # somebody has a lease himself, as Samba for a client that writes, and is now told to end it
    except OSError:
        return False  # gone or unreadable: the claim and the decoder will say so
    try:
        # A writer that opens meanwhile is announced by a signal; its default, SIGIO, would end us.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as fault:
        return fault.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False
