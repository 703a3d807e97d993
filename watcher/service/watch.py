"""What takes too long: a decoder or a model that hangs on a picture, a share that gives no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_SECONDS = 0.5
# A block that does something with so many pictures, and must not take too long.
Timing: TypeAlias = Callable[[str, int], AbstractContextManager[None]]


def untimed(_what: str, _pictures: int) -> AbstractContextManager[None]:
    """The timing of what nobody watches."""
    return nullcontext()


@dataclass(slots=True)
class _Timed:
    due: float
    late: Callable[[], None]


class Watch:
    """Times what other threads do. Nothing can interrupt a call that hangs, so whoever is told has to work around it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._timed: dict[int, _Timed] = {}
        self._next = 0

    @contextmanager
    def over(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """Calls `late` once, in another thread, if the block takes longer than this."""
        with self._lock:
            self._next = number = self._next + 1
            self._timed[number] = _Timed(self._clock() + seconds, late)
        try:
            yield
        finally:
            with self._lock:
                self._timed.pop(number, None)

    def look(self) -> None:
        """Tells whoever is due. What has ended meanwhile is told no more."""
        while True:
            with self._lock:
                due = next((number for number, timed in self._timed.items() if timed.due <= self._clock()), None)
                if due is None:
                    return
                late = self._timed.pop(due).late
            late()

    def keep_looking(self, stop: threading.Event) -> None:
        """Looks twice a second until `stop`."""
        while not stop.wait(LOOK_SECONDS):
            self.look()
