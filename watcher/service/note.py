"""What a running daemon tells other commands: a note in its home, which a full disk does not silence."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from watcher.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = structlog.get_logger()

NAME = ".watcher.note"
# Its room is taken at the start, and it is written in place: so it can tell that the disk is full.
SIZE = 16_384
LONGEST, MOST_TROUBLES = 300, 12


@dataclass(frozen=True, slots=True)
class Working:
    """A version of a model that is loaded, and the engine that runs it."""

    model: str
    version: int
    engine: str


@dataclass(frozen=True, slots=True)
class Behind:
    """A model whose current version cannot be loaded: which one works instead, and why."""

    model: str
    working: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the daemon cannot do at the moment and goes on trying; `since` is UTC in ISO 8601."""

    what: str
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a daemon said last: the models that it has loaded, those that are behind, its troubles."""

    working: tuple[Working, ...] = ()
    behind: tuple[Behind, ...] = ()
    troubles: tuple[Trouble, ...] = ()


class DaemonNote:
    """The note of one daemon; its threads may write at once. It is true only while the daemon holds the home's lock."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._lock = threading.RLock()
        self._note = Note()
        self._repeated = Repeated()

    @property
    def said(self) -> Note:
        return self._note

    def begin(self) -> None:
        """An empty note: what an earlier daemon has left is not true of this one."""
        self._change()

    def use(self, models: Iterable[Working]) -> None:
        """Notes the models that are loaded, and no others."""
        self._change(working=tuple(models))

    def fall_behind(self, models: Iterable[Behind]) -> None:
        """Notes that these models are behind, and no others."""
        self._change(behind=tuple(models))

    def trouble(self, what: str, reason: str | None, since: str) -> None:
        """Notes what is not possible at the moment; with no reason, that it is possible again."""
        with self._lock:
            others = [trouble for trouble in self._note.troubles if trouble.what != what]
            known = next((trouble for trouble in self._note.troubles if trouble.what == what), None)
            if reason is not None:
                others.append(Trouble(what[:LONGEST], reason[:LONGEST], known.since if known else since))
            if reason is not None or known:
                self._change(troubles=tuple(others[-MOST_TROUBLES:]))

    def _change(self, **changes: Any) -> None:
        """A note that cannot be written is only logged: it stops no work."""
        with self._lock:
            self._note = replace(self._note, **changes)
            text = json.dumps(asdict(self._note)).encode()
            try:
                handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
                try:
                    os.pwrite(handle, text.ljust(SIZE), 0)
                finally:
                    os.close(handle)
            except OSError as fault:
                reason = fault.strerror or str(fault)
                self._repeated.say(reason, log.warning, "nobody can be told how the daemon fares", reason=reason)


def read(root: Path) -> Note:
    """The note in a home; an empty one where none can be read."""
    try:
        said = json.loads((root / NAME).read_bytes())
        return Note(
            tuple(Working(**entry) for entry in said["working"]),
            tuple(Behind(**entry) for entry in said["behind"]),
            tuple(Trouble(**entry) for entry in said["troubles"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Note()
