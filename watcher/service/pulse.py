"""Signs of life: which part of the daemon has been silent for longer than what it does may take.

A part is a thread that must not stop. It is heard of at each of its turns, and says beforehand what may take longer.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A turn that waits for nothing. The loop sleeps half a minute at most.
TURN_SECONDS = 120.0
# An answer of a disk, a share or a database, or a model that is being loaded, its engines tried. While it does not come,
# `Patience` says so, and a new program would wait for the same; but nobody waits for ever.
ANSWER_SECONDS = 3600.0
# What the watch times has its own end, a new program; it must have come first.
AFTER_WATCH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Doing:
    what: str
    seconds: float
    since: float


@dataclass(slots=True)
class _Part:
    thread: threading.Thread
    doing: _Doing


class Pulses:
    """The parts of one daemon, by name. In a thread that is none of them, `beat` and `during` do nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mine = threading.local()
        self._parts: dict[str, _Part] = {}

    @contextmanager
    def part(self, name: str, what: str, seconds: float) -> Iterator[None]:
        """The thread is a part while the block runs, silent for so long at most. If the block raises, the part is dead."""
        part = _Part(threading.current_thread(), _Doing(what, seconds, self._clock()))
        self._parts[name] = self._mine.part = part
        yield  # with no `finally`: what ends by a fault is missed
        del self._parts[name]
        self._mine.part = None

    def beat(self) -> None:
        """Says that the thread goes on."""
        if part := self._part():
            part.doing = _Doing(part.doing.what, part.doing.seconds, self._clock())

    @contextmanager
    def during(self, what: str, seconds: float) -> Iterator[None]:
        """The thread does something during which it may be silent for so long."""
        part = self._part()
        if part is None:
            yield
            return
        around = part.doing
        part.doing = _Doing(what, seconds, self._clock())
        try:
            yield
        finally:
            part.doing = _Doing(around.what, around.seconds, self._clock())

    def dead(self) -> str | None:
        """Which part gives no sign of life, in words; None while all do."""
        for name, part in list(self._parts.items()):
            doing = part.doing
            if not part.thread.is_alive():
                return f"the {name} has ended, though nobody has told it to"
            if (silent := self._clock() - doing.since) > doing.seconds:
                return f"no sign of life from the {name} for {silent:.0f} seconds; the last was: {doing.what}"
        return None

    def silences(self) -> dict[str, float]:
        """For how long each part has been silent, in seconds."""
        now = self._clock()
        return {name: max(0.0, now - part.doing.since) for name, part in list(self._parts.items())}

    def doing(self, name: str) -> str | None:
        """What a part does, in words; None where there is no such part now."""
        part = self._parts.get(name)
        return part.doing.what if part else None

    def _part(self) -> _Part | None:
        part: _Part | None = getattr(self._mine, "part", None)
        return part
