"""Other daemons on the same inbox, each with a home of its own: what one of them has taken has not vanished.

A rename has one winner, so no picture is taken twice. But whoever saw it waiting and then finds it gone must not
think that a person has taken it back. So a daemon in company leaves a mark of each picture that it takes: an empty
file in `inbox/.watcher/.taken/`. Whether there is company tell the files `.OWNER.here`, which daemons touch.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from watcher.intake.presence import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.intake.arrivals import Gone, Seen

HERE = ".here"
MARKS = ".taken"
TOUCH_SECONDS = 10.0
# Touched no more for so long, by our own monotonic clock, the other daemon has ended.
ALONE_AFTER_SECONDS = 120.0
# A mark outlives the slowest scan that may look for it.
KEEP_SECONDS = 900.0


class Company:
    """What one daemon says to the others on its inbox, and what it hears of them. `now` is a monotonic time."""

    def __init__(self, inbox: Path, owner: str) -> None:
        self._root = inbox / FOLDER
        self._owner = owner
        self._touched = float("-inf")
        self._others: dict[str, tuple[int, float]] = {}  # by owner: the time of its file, and when that was new to us
        self._marks: dict[str, float] = {}  # our own, oldest first
        self._held_up = False

    def look(self, now: float) -> None:
        """Says that this daemon is here, hears who else is, forgets old marks. Raises OSError if the inbox is away."""
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return  # the scan says whether the inbox is away, or makes the folder anew
        others = {name[1 : -len(HERE)] for name in names if name[0] == "." and name.endswith(HERE)} - {self._owner}
        if now < self._touched + TOUCH_SECONDS and others <= self._others.keys():
            return
        if self._touched == float("-inf"):
            self._find_marks(now)
        elif self._others and now > self._touched + ALONE_AFTER_SECONDS / 2:
            self._held_up = True
        _touch(self._file(self._owner))
        for owner in others:
            with suppress(FileNotFoundError):
                stamp = os.lstat(self._file(owner)).st_mtime_ns
                if self._others.get(owner, (0, now))[0] != stamp:
                    self._others[owner] = (stamp, now)
        self._forget_marks(now)
        self._touched = now

    def takes(self, seen: Seen, now: float) -> None:
        """Marks a picture that is about to be claimed, where somebody else is here."""
        if any(now < heard + ALONE_AFTER_SECONDS for _, heard in self._others.values()):
            name = _mark(seen, self._owner)
            with suppress(FileExistsError):
                (self._root / MARKS).mkdir()
            _touch(self._root / MARKS / name)
            self._marks[name] = now

    def has_taken(self, gone: Gone) -> bool:
        """Whether another daemon has marked this picture."""
        return any(os.path.lexists(self._root / MARKS / _mark(gone, owner)) for owner in self._others)

    def was_held_up(self) -> bool:
        """Whether, since the last call, the others may have taken this daemon for ended, and marked nothing for it.

        What it had seen before that may be done elsewhere.
        """
        held_up, self._held_up = self._held_up, False
        return held_up

    def leave(self) -> None:
        """The daemon is here no more. Its last marks stay for who still looks, until it is back."""
        with suppress(OSError):
            self._file(self._owner).unlink()

    def _file(self, owner: str) -> Path:
        return self._root / f".{owner}{HERE}"

    def _find_marks(self, now: float) -> None:
        """What an earlier process has left."""
        with suppress(FileNotFoundError):
            names = os.listdir(self._root / MARKS)
            self._marks = {name: now for name in names if name.endswith(f".{self._owner}")}

    def _forget_marks(self, now: float) -> None:
        for name in list(takewhile(lambda name: now > self._marks[name] + KEEP_SECONDS, self._marks)):
            with suppress(FileNotFoundError):
                (self._root / MARKS / name).unlink()
            del self._marks[name]


def _touch(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        os.utime(handle)
    finally:
        os.close(handle)


def _mark(picture: Seen | Gone, owner: str) -> str:
    """The same for every machine that sees the file; inodes are not, on some shares."""
    facts = f"{picture.fingerprint.size}:{picture.fingerprint.mtime_ns}:".encode() + os.fsencode(picture.path)
    return f"{hashlib.sha256(facts).hexdigest()[:32]}.{owner}"
