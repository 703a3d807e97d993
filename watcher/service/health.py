"""Is the daemon alive, and does it take pictures? For whoever supervises it, and for a person who looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from watcher.intake.inbox import LastScan
    from watcher.service.note import DaemonNote, Note
    from watcher.service.pulse import Pulses
    from watcher.service.work import Queue

LOOP = "loop that scans and classifies"
SCHEDULER = "scheduler of jobs"
WATCH = "watch over what hangs"
# How a model's trouble is called in the note; others go on beside it.
USING = "using the model"


class AtWork(Protocol):
    """What the loop tells of its work, to any thread."""

    def queues(self) -> Sequence[Queue]: ...

    def last_scan(self) -> LastScan | None: ...


class Health:
    """What the parts of one daemon, and its troubles, come to. `stop` is set once it is to end. Any thread may ask."""

    def __init__(self, pulses: Pulses, note: DaemonNote, stop: Event) -> None:
        self._pulses = pulses
        self._note = note
        self._stop = stop
        self._waits: str | None = None
        self._work: AtWork | None = None
        self._obstacles: list[Callable[[], str | None]] = []

    def ask(self, obstacle: Callable[[], str | None]) -> None:
        """Something else that may know why no picture can be taken."""
        self._obstacles.append(obstacle)

    def tell(self, what: str, reason: str | None) -> None:
        """What is not possible while the note is not ours yet; with no reason, that it is possible now."""
        self._waits = f"{what}: {reason}" if reason else None

    def begins(self, work: AtWork) -> None:
        """To be called when the start is over."""
        self._work = work

    @property
    def started(self) -> bool:
        return self._work is not None

    @property
    def ending(self) -> bool:
        return self._stop.is_set()

    @property
    def note(self) -> Note:
        return self._note.said

    def dead(self) -> str | None:
        """Which part must be thought to be dead, in words; None while all are alive."""
        return self._pulses.dead()

    def obstacle(self) -> str | None:
        """Why no pictures are taken now, in words; None while they are."""
        if self.ending:
            return "it ends"
        if dead := self.dead():
            return dead
        if self._waits:
            return self._waits
        for trouble in self.note.troubles:
            if not trouble.what.startswith(USING):
                return f"{trouble.what}: {trouble.reason}"
        for ask in self._obstacles:
            if reason := ask():
                return reason
        return None if self.started else f"it starts: {self._pulses.doing(LOOP)}"

    def silences(self) -> dict[str, float]:
        """Seconds since the last sign of life, by part."""
        return self._pulses.silences()

    def queues(self) -> Sequence[Queue]:
        return self._work.queues() if self._work else ()

    def last_scan(self) -> LastScan | None:
        return self._work.last_scan() if self._work else None
