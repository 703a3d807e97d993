"""What systemd hears of the daemon: when it takes pictures, what it waits for, and that all of its parts are alive.

READY=1 comes when the first picture could be taken. A start that waits, for a disk with room or a database that is up,
is not over: it asks for more time as long as its parts are alive, and says what it waits for. So whatever is ordered after
the daemon waits, too, and a start that hangs is ended by systemd like a daemon that hangs.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from watcher.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.service.health import Health
    from watcher.service.systemd import Systemd

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# A ping at least so often, however seldom systemd wants one: a watch that ends what hangs is to come first.
PING_SECONDS = 30.0
# A start asks for so much more time at each ping. Until it can take pictures there is no watchdog.
MORE_SECONDS = 120.0


class Supervision:
    """What to say, told at each `look`. `doing` is what it does while nothing is wrong. `clock` is monotonic."""

    def __init__(
        self, systemd: Systemd, health: Health, doing: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._systemd = systemd
        self._health = health
        self._doing = doing
        self._clock = clock
        self._pause = min(PING_SECONDS, (systemd.watchdog_seconds or 2 * PING_SECONDS) / 2)
        self._next = float("-inf")
        self._ready = self._stopping = False
        self._said = ""
        self._repeated = Repeated()

    @property
    def pause(self) -> float:
        """How long to wait before the next look."""
        return min(LOOK_SECONDS, self._pause / 2)

    def look(self) -> None:
        """Says what is new, and pings when that is due and nothing is dead."""
        health = self._health
        dead, obstacle = health.dead(), health.obstacle()
        if dead:
            self._repeated.say("", log.error, "a part of the daemon is dead", reason=dead)
        else:
            self._repeated.over({""}, log.info, "all parts of the daemon are alive again")
        if health.ending and not self._stopping:
            self._stopping = True
            self._systemd.say(STOPPING=1, STATUS="Ending: the batch in hand is finished")
            return
        if health.started and not self._ready:
            self._ready = True
            self._systemd.say(READY=1)
        due = self._clock() >= self._next
        if not self._stopping and (due or obstacle):
            self._status(f"Waiting. {obstacle}" if obstacle else self._doing())
        if due and not dead:
            self._next = self._clock() + self._pause
            self._ping()

    def _ping(self) -> None:
        if not self._ready:
            self._systemd.say(EXTEND_TIMEOUT_USEC=int(MORE_SECONDS * 1e6))
        if self._systemd.watchdog_seconds:
            self._systemd.say(WATCHDOG=1)

    def _status(self, status: str) -> None:
        if status != self._said:
            self._said = status
            self._systemd.say(STATUS=status)


@contextmanager
def supervised(systemd: Systemd, health: Health, doing: Callable[[], str]) -> Iterator[None]:
    """Tells systemd while the block runs, in a thread of its own; nobody, where systemd has not asked."""
    ended = threading.Event()
    supervision = Supervision(systemd, health, doing)

    def keep_looking() -> None:
        supervision.look()
        while not ended.wait(supervision.pause):
            supervision.look()
        supervision.look()  # it may all have been too quick to be told before

    thread = threading.Thread(target=keep_looking, name="supervision", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
