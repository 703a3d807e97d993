"""The world's faults (disk full, share gone, database locked): say it, wait, try again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import structlog

from watcher.errors import HomeUnavailable
from watcher.repeated import Repeated
from watcher.results import DatabaseUnavailable
from watcher.service import pulse
from watcher.service.pulse import Pulses
from watcher.service.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

log = structlog.get_logger()
Result = TypeVar("Result")

WORLD = (OSError, DatabaseUnavailable, HomeUnavailable)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
# Longer than a database waits for another writer.
ANSWER_SECONDS = 60.0


class Stopped(Exception):
    """The daemon is to end, and what was being tried has not worked yet."""


class Patience:
    """Tries steps until they work, and tells of it what is not possible; with no reason once it is over."""

    def __init__(
        self,
        stop: Event,
        tell: Callable[[str, str | None], None] = lambda *_: None,
        watch: Watch | None = None,
        pulses: Pulses | None = None,
    ) -> None:
        self._stop = stop
        self._tell = tell
        self._watch = watch or Watch()
        self._pulses = pulses or Pulses()
        self._repeated = Repeated()

    def __call__(self, step: Callable[[], Result], what: str, answer_seconds: float = ANSWER_SECONDS) -> Result:
        """The result of `step`. Raises Stopped if the daemon is to end before it works."""
        pause, reasons = FIRST_PAUSE_SECONDS, [""]
        longest = max(answer_seconds, pulse.ANSWER_SECONDS)

        def late() -> None:
            reasons.append(f"no answer for {answer_seconds:.0f} seconds; does the disk or the share hang?")
            self._say("not possible now; waiting until it is", what, reasons[-1])
            self._tell(what, reasons[-1])

        while True:
            try:
                with self._watch.over(answer_seconds, late), self._pulses.during(what, longest):
                    result = step()
            except WORLD as fault:
                if (reason := _reason(fault)) != reasons[-1]:
                    reasons.append(reason)
                    self._tell(what, reason)
                self._say("not possible now; trying again until it is", what, reason)
                if self._stop.wait(pause):
                    raise Stopped from fault
                pause = longer(pause)
            except BaseException:
                if reasons[1:]:  # whatever is wrong now is something else
                    self._tell(what, None)
                raise
            else:
                if reasons[1:]:
                    keys = {(what, reason) for reason in reasons}
                    self._repeated.over(keys, log.info, "possible again", what=what)
                    self._tell(what, None)
                return result

    def _say(self, event: str, what: str, reason: str) -> None:
        self._repeated.say((what, reason), log.error, event, what=what, reason=reason)


def longer(pause: float) -> float:
    """How long to wait before the next try, after so long a pause."""
    return min(2 * pause, LONGEST_PAUSE_SECONDS)


def _reason(fault: Exception) -> str:
    """The same for all files of a folder, or every try would be news."""
    if isinstance(fault, OSError) and fault.strerror:
        named = isinstance(fault.filename, str | bytes)  # not where the system was asked by a handle
        where = f" in {os.path.dirname(os.fsdecode(fault.filename))}" if named else ""
        return f"{fault.strerror}{where}"
    return str(fault)
