"""Room in a new home for what must be told on a full disk, too: whose its lock is, and how its daemon fares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher import locks
from watcher.service.identity import identity
from watcher.service.note import DaemonNote

if TYPE_CHECKING:
    from watcher.home import Home


def take_room(home: Home) -> None:
    """To be called once, before any daemon runs. Raises HomeError and OSError."""
    locks.reserve(home.lock)
    DaemonNote(home.root).begin()
    identity(home.root)
