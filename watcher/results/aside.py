"""How a rebuilt database takes the place of a damaged one, which is set aside beside it and never deleted.

`watcher.db.rebuilding` is being made, and worth nothing until it is whole: then it is called `watcher.db.rebuilt.damaged-TIME`. From
there on every start ends the change, wherever it was stopped: the damaged file and its log get the names
`watcher.db.damaged-TIME…`, and the rebuilt one gets its name. In between there is no database, rather than one with
the log of another.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

NOTE = ".reason.txt"
ENDINGS = ("", "-wal", "-shm", "-journal")
_DAMAGED = re.compile(r"\.damaged-\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True, slots=True)
class Aside:
    """The files beside one SQLite database; `move` gives a file a name that must be free."""

    file: Path
    move: Callable[[Path, Path], None]

    @property
    def new(self) -> Path:
        return self._beside(".rebuilding")

    def begin(self) -> None:
        """Removes what an earlier start had not made whole."""
        for half in (self.new, self._beside(".rebuilding.copy")):
            for ending in ENDINGS:
                with suppress(FileNotFoundError):
                    os.unlink(f"{half}{ending}")

    def place(self, now: datetime) -> Path:
        """A name for the damaged file that nothing has, nor its note."""
        first = self._beside(f".damaged-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        number, place = 1, first
        while any(os.path.lexists(f"{place}{ending}") for ending in (*ENDINGS, NOTE)):
            number += 1
            place = first.with_name(f"{first.name}-{number}")
        return place

    def complete(self, place: Path) -> None:
        """The new database is whole, and closed: from here on it is the one that counts."""
        with suppress(OSError):
            os.chmod(self.new, os.stat(self.file).st_mode & 0o777)
        _sync(self.new)
        os.replace(self.new, self._beside(".rebuilt" + place.name.removeprefix(self.file.name)))
        _sync(self.file.parent)

    def end(self) -> bool:
        """Puts a whole new database in the place of the damaged one; whether there was one. May be repeated."""
        beginning = f"{self.file.name}.rebuilt.damaged-"
        rebuilt = next((path for path in sorted(self.file.parent.iterdir()) if path.name.startswith(beginning)), None)
        if rebuilt is None:
            return False
        place = self.file.with_name(self.file.name + rebuilt.name.removeprefix(f"{self.file.name}.rebuilt"))
        for ending in ENDINGS:
            source = self.file.with_name(self.file.name + ending)
            if os.path.lexists(source):
                self.move(source, _free(place.with_name(place.name + ending)))
        _sync(self.file.parent)
        self.move(rebuilt, self.file)
        _sync(self.file.parent)
        return True

    def _beside(self, ending: str) -> Path:
        return self.file.with_name(self.file.name + ending)


def set_aside(file: Path) -> list[Path]:
    """The damaged files that stand beside a database, oldest first; none where their folder cannot be read."""
    try:
        names = sorted(os.listdir(file.parent))
    except OSError:
        return []
    ours = (name for name in names if name.startswith(file.name))
    return [file.with_name(name) for name in ours if _DAMAGED.fullmatch(name.removeprefix(file.name))]


def _free(place: Path) -> Path:
    """Somebody may have made a file in the meantime; that is set aside, too."""
    number, free = 1, place
    while os.path.lexists(free):
        number += 1
        free = place.with_name(f"{place.name}-{number}")
    return free


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
