"""One daemon for each home."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from watcher import locks
from watcher.errors import HomeError
from watcher.locks import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["held", "holder"]


@contextmanager
def held(path: Path, now: datetime) -> Iterator[None]:
    """Holds the home's lock. Raises HomeError naming the process that has it already."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(path, now))
        except locks.Locked as locked:
            raise HomeError(f"{path.parent} is already being watched, by {locked.who}; stop that one first") from None
        yield
