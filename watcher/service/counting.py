"""A home counted now and then for monitoring, in threads of their own: a share that hangs keeps nobody waiting."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from watcher.errors import WatcherError
from watcher.repeated import Repeated
from watcher.results import Database, NoDatabase
from watcher.service.identity import identity
from watcher.service.status import Status, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watcher.home import Home
    from watcher.results.tallies import Outcomes, Review
    from watcher.service.first_sights import FirstSights

log = structlog.get_logger()

# To count what waits takes a look through the inbox; whoever asks more often gets the same answer. A look through a large
# inbox takes long, and is taken that much more seldom.
KEEP_SECONDS, SHARE = 15.0, 20
# Prometheus waits ten seconds.
ANSWER_SECONDS = 5.0
# While a count takes longer than that, the last one is told, if it is no older.
STALE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Counted:
    """A home at one moment; `free` is bytes by the folder's name in the settings, for those that are there."""

    status: Status
    reviews: tuple[Review, ...]
    outcomes: tuple[Outcomes, ...]
    free: dict[str, int]


class Counting:
    """Counts a home for whoever asks, in any thread. `clock` is monotonic."""

    def __init__(self, home: Home, sights: FirstSights, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._sights = sights
        self._clock = clock
        self._changed = threading.Condition()
        self._counts = False
        self._until = self._counted_at = float("-inf")
        self._found: Counted | None = None
        self._repeated = Repeated()

    def found(self) -> Counted | None:
        """The counts of not long ago; None where inbox or database cannot be read, or do not answer."""
        with self._changed:
            if not self._counts and self._clock() > self._until:
                self._counts = True
                threading.Thread(target=self._count, name="counting", daemon=True).start()
            if self._changed.wait_for(lambda: not self._counts, ANSWER_SECONDS):
                return self._found
            if self._found and self._clock() < self._counted_at + STALE_SECONDS:
                return self._found
        self._fault("the inbox or the database gives no answer")
        return None

    def _count(self) -> None:
        begun, found = self._clock(), None
        try:
            found = self._counted()
            self._repeated.over({""}, log.info, "the figures for monitoring are complete again")
        except (WatcherError, OSError) as fault:
            self._fault(str(fault))
        finally:
            with self._changed:
                now = self._clock()
                self._found, self._counted_at = found, now
                self._until = now + max(KEEP_SECONDS, SHARE * (now - begun))
                self._counts = False
                self._changed.notify_all()

    def _fault(self, reason: str) -> None:
        self._repeated.say("", log.warning, "the figures for monitoring are incomplete", reason=reason)

    def _counted(self) -> Counted:
        from watcher.results.tallies import outcomes, reviews

        home = self._home
        found = status(home, sights=self._sights)
        free = {name: free_of(folder) for name, folder in _folders(home).items() if folder.is_dir()}
        try:
            with Database.open(home.settings.database.url, home.root, readonly=True) as database:
                own = outcomes(database, identity(home.root))
                return Counted(found, tuple(reviews(database)), tuple(own), free)
        except NoDatabase:
            return Counted(found, (), (), free)


def _folders(home: Home) -> dict[str, Path]:
    return {"home": home.root, "inbox": home.inbox, "outbox": home.outbox}


def free_of(folder: Path) -> int:
    """Bytes that may still be written there. Raises OSError."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize
