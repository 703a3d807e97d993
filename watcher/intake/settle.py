"""When is a picture whole? When two looks, a quiet period apart, find it unchanged."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Gone, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.intake.arrivals import Fingerprint


@dataclass(slots=True)
class _Waiting:
    fingerprint: Fingerprint
    due: float


class Settler:
    """Remembers pictures until they have been quiet for `seconds`, at most `room` of them.

    Time is the caller's monotonic clock, in seconds: a file's own times may lie.
    """

    def __init__(self, seconds: float, room: int = 10_000) -> None:
        self._seconds = seconds
        self._room = room
        self._waiting: dict[str, _Waiting] = {}
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._room

    @property
    def next_due(self) -> float:
        """When the next second look is due."""
        return self._due[0][0] if self._due else math.inf

    def forget(self) -> None:
        """Nothing that was seen is waited for any more."""
        self._waiting.clear()
        self._due.clear()

    def saw(self, seen: Seen, now: float) -> None:
        """A look at a picture: the first starts its quiet period, one that finds a change restarts it."""
        known = self._waiting.get(seen.path)
        if known is None or known.fingerprint != seen.fingerprint:
            self._wait(seen, now)

    def settled(self, now: float, look: Callable[[str], Seen | None]) -> Iterator[Seen | Gone]:
        """Takes a second look at every picture whose quiet period is over.

        Yields those unchanged, which are then forgotten, and those gone; a changed one waits anew. One
        whose folder was closed to us is forgotten: the next scan explains that, or finds it again.
        """
        while self._due and self._due[0][0] <= now:
            due, path = self._due[0]
            known = self._waiting.get(path)
            if known is None or known.due != due:
                heapq.heappop(self._due)  # settled already, or waiting anew under a later date
                continue
            try:
                seen = look(path)
            except PermissionError:
                del self._waiting[path]
                continue
            # Only now, so that a look that the world does not allow is taken again.
            heapq.heappop(self._due)
            if seen is not None and seen.fingerprint != known.fingerprint:
                self._wait(seen, now)
                continue
            del self._waiting[path]
            yield seen or Gone(path, known.fingerprint)

    def _wait(self, seen: Seen, now: float) -> None:
        waiting = _Waiting(seen.fingerprint, now + self._seconds)
        self._waiting[seen.path] = waiting
        heapq.heappush(self._due, (waiting.due, seen.path))
