"""One daemon for each home."""

from __future__ import annotations

import errno
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from watcher import locks
from watcher.errors import HomeError, HomeUnavailable
from watcher.locks import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["held", "holder"]

# Why a file cannot be opened now and may be later: its disk is full, stumbles or was made read-only for that, the
# machine lacks something for the moment, the server of a share is away.
MAY_MEND = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
)  # fmt: skip


@contextmanager
def held(path: Path, now: datetime) -> Iterator[int]:
    """Holds the home's lock, by the handle that the block is given.

    Raises HomeError naming the process that has it already, or why its file cannot be opened: HomeUnavailable where that
    may mend by itself.
    """
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(locks.held(path, now))
        except locks.Locked as locked:
            raise HomeError(f"{path.parent} is already being watched, by {locked.who}; stop that one first") from None
        except OSError as fault:
            kind = HomeUnavailable if fault.errno in MAY_MEND else HomeError
            raise kind(f"{path}: {fault.strerror}") from fault
        yield handle
