"""The world's faults (disk full, share gone, database locked): say it once, wait, try again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from watcher.results import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

log = structlog.get_logger()
Result = TypeVar("Result")

WORLD = (OSError, DatabaseUnavailable)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0


class Stopped(Exception):
    """The daemon is to end, and what was being tried has not worked yet."""


def patiently(step: Callable[[], Result], what: str, stop: Event) -> Result:
    """The result of `step`, tried until it works. Raises Stopped if the daemon is to end before that."""
    pause, said = FIRST_PAUSE_SECONDS, ""
    while True:
        try:
            result = step()
        except WORLD as fault:
            if str(fault) != said:
                said = str(fault)
                log.error("not possible now; trying again until it is", what=what, reason=said)
            if stop.wait(pause):
                raise Stopped from fault
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        else:
            if said:
                log.info("possible again", what=what)
            return result
