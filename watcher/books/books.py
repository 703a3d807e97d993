"""The books, which are the rows of a home, and its files: what checks ask of the two."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.books.findings import CannotMend
from watcher.intake.claims import ClaimFolder
from watcher.intake.inside import folder_inside, open_inside, reached
from watcher.intake.moves import sync
from watcher.intake.names import clean
from watcher.service.lock import holder
from watcher.service.places import is_copy_of
from watcher.service.reprocess import LOCK
from watcher.service.shares import Shares
from watcher.service.way_back import find_kept

if TYPE_CHECKING:
    from collections.abc import Collection, Container
    from io import BufferedReader
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database
    from watcher.results.audit import Entry


class _All:
    """Any claim may be at work where the claim folder cannot be seen."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass(slots=True)
class Noted:
    """What one check has found and another need not tell again: rows whose files stand elsewhere, by where."""

    originals: dict[int, str] = field(default_factory=dict)
    copies: dict[int, Path] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)
    closed: dict[Path, OSError] = field(default_factory=dict)
    """Folders that could not be looked through."""
    unreadable: set[Path] = field(default_factory=set)


class Books:
    """A home's rows and files side by side. `alone`: the caller holds the locks, so that nobody else is at work."""

    def __init__(
        self,
        home: Home,
        database: Database,
        *,
        contents: bool = False,
        alone: bool = False,
        away: Collection[Path] = (),
    ) -> None:
        self.home = home
        self.database = database
        self.contents = contents
        self.away = away
        self.noted = Noted()
        self._alone = alone
        self._shares = Shares(home)

    @property
    def daemon(self) -> str | None:
        """Who watches this home, if anyone does."""
        return None if self._alone else holder(self.home.lock)

    @property
    def reprocess(self) -> str | None:
        """Who puts pictures in line again, with `reprocess` or `retry`, if anyone does."""
        return None if self._alone else holder(self.home.root / LOCK)

    def must_be_there(self) -> None:
        """Raises OSError where a share has gone meanwhile: what is not seen there is not missing."""
        home = self.home
        for folder in {home.inbox, home.outbox, home.done, home.failed} - set(self.away):
            self._shares.must_be_there(folder)

    @property
    def inbox_is_there(self) -> bool:
        return self.home.inbox not in self.away

    def claimed(self) -> Container[str]:
        """The ids of all that is in work or on its way. To be asked after the rows and before the files."""
        return set(ClaimFolder(self.home.inbox, "").ids()) if self.inbox_is_there else _All()

    def place(self, path: str) -> Path:
        return self.home.root / path

    def said(self, path: Path) -> str:
        """How people are told of a file: clean, relative to the home if inside."""
        return clean(self.home.relative(path))

    def is_away(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.away)

    def source(self, entry: Entry) -> Path:
        """Where the original of a row can be read. Raises CannotMend where it cannot."""
        try:
            return self._source(entry)
        except OSError as fault:
            raise CannotMend(f"its original, {entry.original_path}, cannot be read: {fault.strerror}") from fault

    def _source(self, entry: Entry) -> Path:
        if entry.kept is not None:
            if kept := find_kept(self.home.inbox, entry.path, entry.claim, entry.kept):
                return kept
            raise CannotMend("the original was taken out of the inbox, or changed")
        if entry.original_path is None:
            raise CannotMend("the original was deleted, as the settings say")
        if not self.is_original(place := self.place(entry.original_path), entry):
            raise CannotMend(f"its original, {entry.original_path}, is not there")
        return place

    def is_original(self, place: Path, entry: Entry, *, contents: bool = False) -> bool:
        """Whether the original of a row stands there: a file of its size and, if asked, its content. Raises OSError."""
        status = self.regular(place)
        if status is None or entry.size not in {None, status.st_size}:
            return False
        return not contents or entry.sha256 in {None, self.digest(place)}

    def is_copy(self, place: Path, claim: str) -> bool:
        """Whether an annotated copy of this arrival stands there. Raises OSError where it cannot be read."""
        with suppress(FileNotFoundError):
            return is_copy_of(claim, self.home.folder_of(place), place)
        return False

    def regular(self, place: Path) -> os.stat_result | None:
        """What is known of a regular file; None if none is there, or only behind a link. Raises OSError."""
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(place)
            if stat.S_ISREG(status.st_mode) and reached(self.home.folder_of(place), place):
                return status
        return None

    def open(self, place: Path) -> BufferedReader:
        """The file, to be read; no link is followed. Raises OSError."""
        folder = self.home.folder_of(place)
        return open(open_inside(folder, os.path.relpath(place, folder)), "rb", closefd=True)

    def digest(self, place: Path) -> str:
        """The SHA-256 of a file. Raises OSError."""
        with self.open(place) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def remove(self, place: Path) -> None:
        """Removes a file, durably; one that is gone already is no fault. Raises OSError."""
        folder = self.home.folder_of(place)
        with suppress(FileNotFoundError), folder_inside(folder, os.path.relpath(place.parent, folder)) as handle:
            os.unlink(place.name, dir_fd=handle)
            sync(place.parent)
