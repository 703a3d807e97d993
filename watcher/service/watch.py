"""What takes too long: a decoder or a model that hangs on a picture, a share that gives no answer.

The thread that looks needs the interpreter's lock. A library that hangs without giving it back keeps that thread from
looking, too; then a timer of faulthandler's, which needs no lock, ends the process.
"""

from __future__ import annotations

import faulthandler
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_SECONDS = 0.5
# So much later than it should have been told, a block that nobody could tell of ends the process.
LAST_RESORT_SECONDS = 10.0
STANDARD_ERROR = 2
# A block that does something with so many pictures, and must not take too long.
Timing: TypeAlias = Callable[[str, int], AbstractContextManager[None]]


def untimed(_what: str, _pictures: int) -> AbstractContextManager[None]:
    """The timing of what nobody watches."""
    return nullcontext()


@dataclass(slots=True)
class _Timed:
    due: float
    late: Callable[[], None]
    or_end: bool
    thread: int


class Watch:
    """Times what other threads do. Nothing can interrupt a call that hangs, so whoever is told has to work around it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._timed: dict[int, _Timed] = {}
        self._next = 0
        self._armed_for: float | None = None

    @contextmanager
    def over(self, seconds: float, late: Callable[[], None], *, or_end: bool = False) -> Iterator[None]:
        """Calls `late` once, in another thread, if the block takes longer than this.

        `or_end`: if that thread cannot even run, the process ends a little later, with the exit code 1, and says on standard
        error what its threads do.
        """
        timed = _Timed(self._clock() + seconds, late, or_end, threading.get_ident())
        with self._lock:
            self._next = number = self._next + 1
            self._timed[number] = timed
            if or_end:
                self._arm(anew=False)
        try:
            yield
        finally:
            with self._lock:
                self._timed.pop(number, None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What this thread's other blocks allow does not run on during this one, which may take its time."""
        with self._lock:
            begun = self._clock()
            mine = [timed for timed in self._timed.values() if timed.thread == threading.get_ident()]
            left = [timed.due - begun for timed in mine]
            for timed in mine:
                timed.due = math.inf
        try:
            yield
        finally:
            with self._lock:
                for timed, seconds in zip(mine, left, strict=True):
                    timed.due = self._clock() + seconds

    def look(self) -> None:
        """Tells whoever is due. What has ended meanwhile is told no more."""
        with self._lock:
            self._arm(anew=True)
        while True:
            with self._lock:
                due = next((number for number, timed in self._timed.items() if timed.due <= self._clock()), None)
                if due is None:
                    return
                late = self._timed.pop(due).late
            late()

    def keep_looking(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Looks twice a second until `stop`; `beat` is called each time."""
        while not stop.wait(LOOK_SECONDS):
            beat()
            self.look()
        with self._lock:
            self._disarm()

    def _arm(self, *, anew: bool) -> None:
        """Sets the timer to after the last of what may end the process; it goes off only if nobody looks any more.

        To set it takes longer than many a picture, so between two looks that is done only where it matters.
        """
        latest = max(
            (timed.due for timed in self._timed.values() if timed.or_end and timed.due < math.inf), default=None
        )
        if latest is None:
            self._disarm()
        elif anew or self._armed_for is None or latest > self._armed_for + LAST_RESORT_SECONDS / 2:
            seconds = max(0.0, latest - self._clock()) + LAST_RESORT_SECONDS
            faulthandler.dump_traceback_later(seconds, exit=True, file=STANDARD_ERROR)
            self._armed_for = latest

    def _disarm(self) -> None:
        if self._armed_for is not None:
            faulthandler.cancel_dump_traceback_later()
            self._armed_for = None
