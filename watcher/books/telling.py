"""A row of the results as a sentence or two for people."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.claims import ClaimFolder
from watcher.intake.inside import is_file
from watcher.results import Filter, State, audit, find, taken_out
from watcher.results.records import Part
from watcher.service.shares import Shares
from watcher.service.way_back import find_kept

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database, ResultRow
    from watcher.results.audit import Entry

TO_DO = "put a good copy into the inbox, or move this one back there once the cause is mended, as `watcher retry` does"


class Teller:
    """Tells of the rows of a home."""

    def __init__(self, home: Home, database: Database) -> None:
        self._home = home
        self._database = database

    def tell(self, entry: Entry) -> str:
        """What became of an arrival, when, and by which version of which model. Raises DatabaseUnavailable."""
        [row] = find(self._database, Filter(id=entry.id))
        match row.state:
            case State.DONE | State.DUPLICATE:
                return f"{self._result(row)}{self._files(entry)}"
            case State.FAILED:
                return f"{row.path} could not be read (row {row.id}, {_when(row)}): {row.reason}. {self._failed(entry)}"
            case State.VANISHED:
                return f"{row.path} has vanished (row {row.id}, {_when(row)}): {row.reason}."
            case State.SUPERSEDED:
                return f"What row {row.id} says of {row.path} counts no more: {row.reason}. {self._newer(row)}"

    def _result(self, row: ResultRow) -> str:
        by = f"by {row.model}/{row.model_version} on {_when(row)}"
        label = "no label" if row.label is None or row.score is None else f"{row.label} (score {row.score:.4f})"
        review = "; a person should look at it, for its best score is below the model's review threshold"
        unsure = review if row.needs_review else ""
        if row.state is State.DUPLICATE:
            return f"{row.path} is done (row {row.id}): it has the {row.reason}, and so its {label}, {by}{unsure}."
        return f"{row.path} is done (row {row.id}): {label}, {by}{unsure}."

    def _files(self, entry: Entry) -> str:
        copy = f"Its annotated copy is {entry.outbox_path}{self._unless_there(entry, entry.outbox_path, Part.COPY)}"
        return f" {copy}; {self._original(entry)}."

    def _original(self, entry: Entry) -> str:
        if entry.kept is not None:
            with suppress(OSError):
                if find_kept(self._home.inbox, entry.path, entry.claim, entry.kept) is None:
                    return "its original stayed in the inbox, as the settings said, and was taken away or changed since"
            return "its original stays in the inbox, as the settings say"
        if entry.original_path is None:
            return "its original was deleted, as the settings say"
        return f"its original is {entry.original_path}{self._unless_there(entry, entry.original_path, Part.ORIGINAL)}"

    def _unless_there(self, entry: Entry, path: str | None, part: Part) -> str:
        """What to add about a file that is not where the row says, as far as that can be told."""
        place = self._home.root / (path or "")
        if path is None or _stands(place):
            return ""
        if point := Shares(self._home).missing_for(self._home.folder_of(place)):
            return f", on a share that is not mounted on {point} now"
        if entry.claim in ClaimFolder(self._home.inbox, "").ids():
            return ", where it is on its way"
        if (entry.id, part) in taken_out.accepted(self._database, [entry.id]):
            return ", from where it was taken out"
        return ", but it is not there any more; `watcher verify` says what can be done"

    def _failed(self, entry: Entry) -> str:
        place = self._home.root / entry.original_path if entry.original_path else None
        if place is None or not _stands(place):
            return "It was moved away from where failed pictures stand, or deleted."
        return f"It stands in {entry.original_path}: {TO_DO}."

    def _newer(self, row: ResultRow) -> str:
        later = audit.dropped_as(self._database, row.path, 1)
        return self.tell(later[0]) if later and later[0].id > row.id else "It has no newer result yet."


def _when(row: ResultRow) -> str:
    return f"{row.finished_at[:16].replace('T', ' ')} UTC"


def _stands(place: Path) -> bool:
    """Whether a file is there; yes where that cannot be told."""
    try:
        return is_file(place)
    except OSError:
        return True
