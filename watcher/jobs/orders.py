"""Signals that ask the process to end, and time limits: they interrupt what is done, or wait where that must be whole."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
# What is raised in the middle of a library may be swallowed there, or become another fault; so it is said again.
AGAIN_SECONDS = 3.0


class Told(BaseException):
    """The process was told to end. Not an Exception, so that few libraries take it for a fault of their own."""


class Orders:
    """What the process was asked while a block ran; for the main thread."""

    def __init__(self) -> None:
        self.told = False
        self.timed_out = False
        self._left = False

    @contextmanager
    def heeded(self, timeout: timedelta) -> Iterator[None]:
        """Ctrl-C, SIGTERM and the time limit raise Told in the block, until it is left."""

        def end(number: int, _: FrameType | None) -> None:
            if self._left:
                return  # all is done
            if not self.told:
                self.told, self.timed_out = True, number == signal.SIGALRM
                signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
            elif number != signal.SIGALRM:
                return  # once is enough for people
            raise Told

        before = {number: signal.signal(number, end) for number in _ASKING if _is_heard(number)}
        signal.setitimer(signal.ITIMER_REAL, timeout.total_seconds())
        try:
            try:
                yield
            finally:
                self._left = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What must be whole once it is begun: who asks the process to end meanwhile is heard right afterwards."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _ASKING if _is_heard(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for asked in came:
        signal.raise_signal(asked)


def _is_heard(number: int) -> bool:
    """A shell starts what is in its background with Ctrl-C ignored, and so it stays."""
    return signal.getsignal(number) is not signal.SIG_IGN
