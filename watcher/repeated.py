"""A fault that comes again and again: said once, then at growing pauses with how often it came, and when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0
# So many are told apart; all others are one.
MOST = 100

# What writes a line: a method of a logger.
Line = Callable[..., Any]


@dataclass(slots=True)
class _Run:
    begun: float
    times: int = 0
    unsaid: int = 0
    pause: float = 0.0
    until: float = 0.0
    """Nothing is written before."""
    told: bool = False
    """Whether the last line said that it is so, not that it is over."""
    over: float | None = None


class Repeated:
    """Decides which of many equal lines are written. Threads may share one. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[Hashable, _Run] = {}

    def say(self, key: Hashable, line: Line, event: str, **facts: Any) -> None:
        """Writes the line, or counts it. What was over, and is back within its pause, goes on where it was."""
        with self._lock:
            now, run = self._clock(), self._run(key)
            if run.over is not None and now > run.over + max(run.pause, FIRST_PAUSE_SECONDS):
                self._runs[key] = run = _Run(now)
            run.over = None
            run.times += 1
            run.unsaid += 1
            if now < run.until:
                return
            times, run.unsaid, run.told = run.unsaid, 0, True
            run.pause = min(2 * run.pause, LONGEST_PAUSE_SECONDS) or FIRST_PAUSE_SECONDS
            run.until = now + run.pause
        line(event, **facts, **({"times": times} if times > 1 else {}))

    def over(self, keys: Collection[Hashable], line: Line, event: str, **facts: Any) -> None:
        """Writes, in one line, that these are over, after how long and how many times; nothing where nobody was told."""
        with self._lock:
            now = self._clock()
            runs = [run for key in keys if (run := self._runs.get(key)) and run.over is None]
            told = any(run.told for run in runs)
            for run in runs:
                run.over, run.told = now, False
            seconds = now - min((run.begun for run in runs), default=now)
            times = sum(run.times for run in runs)
        if told:
            line(event, **facts, after=spoken(seconds), **({"times": times} if times > 1 else {}))

    def _run(self, key: Hashable) -> _Run:
        if key not in self._runs and len(self._runs) >= MOST:
            key = None
        return self._runs.setdefault(key, _Run(self._clock()))


def spoken(seconds: float) -> str:
    """How long that is, as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
