"""What was current when: the record `models/NAME/history`, and where a rollback leads by it.

A line is `TIME VERSION HOW`, in UTC and ISO 8601, the newest last. `current` alone says what is current; this
file is written after it. Where it lags behind, because somebody edited `current` or a crash came between the
two, the next switch notes what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from watcher.models.durable import append_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HISTORY = "history"

How = Literal["installed", "promoted", "rolled-back", "found"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A version that became current; `found`: nobody noted it when it did."""

    at: datetime
    version: int
    how: How


def read(path: Path) -> tuple[Entry, ...]:
    """The entries, oldest first; lines that are none are passed over. Raises OSError."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(entry for line in lines if (entry := _entry(line)))


def _entry(line: str) -> Entry | None:
    match line.split():
        case [time, version, how] if version.isascii() and version.isdigit():
            for known in get_args(How):
                if known == how:
                    try:
                        return Entry(datetime.fromisoformat(time), int(version), known)
                    except ValueError:
                        return None
    return None


def note(path: Path, before: int | None, now: int, how: How, at: datetime) -> None:
    """Adds that `now` took the place of `before`, and `before` itself where it is not on record. Raises OSError."""
    entries = read(path)
    if before is not None and (not entries or entries[-1].version != before):
        append_line(path, _line(at, before, "found"))
    append_line(path, _line(at, now, how))


def _line(at: datetime, version: int, how: How) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='seconds')} {version} {how}"


def earlier(entries: Iterable[Entry], current: int) -> list[int]:
    """The versions to which one can go back from the current one, the nearest last.

    As an editor's undo: to go back forgets what was gone back from, so that a second rollback goes
    further back, and never to a version that was just rejected.
    """
    stack: list[int] = []
    for entry in entries:
        _step(stack, entry.version, back=entry.how in {"rolled-back", "found"})
    _step(stack, current, back=True)
    return stack[:-1]


def _step(stack: list[int], version: int, *, back: bool) -> None:
    if back and version in stack:
        while stack[-1] != version:
            stack.pop()
    elif stack[-1:] != [version]:
        stack.append(version)
