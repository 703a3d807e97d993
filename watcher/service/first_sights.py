"""For how long have pictures been waiting? By our own clock since we saw them first, for a file's own times may lie."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.intake.arrivals import Fingerprint

# So many are told apart. Of a larger backlog, what has no room counts from when that began: never as younger than it is.
ROOM = 20_000


class FirstSights:
    """Remembers when what waits was seen first. A look is `begin`, `saw` for each that waits, `end`. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, room: int = ROOM) -> None:
        self._clock = clock
        self._room = room
        self._first: dict[tuple[int, int], float] = {}
        self._more_since = math.inf
        self._now = 0.0
        self._seen: dict[tuple[int, int], float] = {}
        self._more = False

    def begin(self) -> None:
        """What was seen in a look that has not ended does not count."""
        self._now, self._seen, self._more = self._clock(), {}, False

    def saw(self, fingerprint: Fingerprint) -> None:
        """One that waits, or is in work: it is the same file, wherever it was moved."""
        key = (fingerprint.device, fingerprint.inode)
        if key in self._seen:
            return
        if len(self._seen) < self._room:
            self._seen[key] = self._first.get(key, min(self._now, self._more_since))
        else:
            self._more = True

    def end(self) -> None:
        """What was not seen has come through."""
        self._more_since = min(self._now, self._more_since) if self._more else math.inf
        self._first, self._seen = self._seen, {}

    def oldest(self) -> float:
        """The age of the oldest, in seconds, also while nobody can look; 0 where none waits."""
        now = self._clock()
        return now - min(self._first.values(), default=now)
