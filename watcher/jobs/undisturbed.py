"""What must be whole once it is begun: who asks the process to end is heard right afterwards."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Holds back what the signals' handlers would do, which is to raise, until the block is over; for the main thread."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)
