"""What was put in line again and not to the end, and results that somebody put in line again by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.books.accepted import GONE_FOR_GOOD, not_accepted
from watcher.books.checks.check import Check
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.results import audit
from watcher.service.reprocess import end_begun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.results.audit import Entry, Shared

BY_HAND = "put in line again by hand: row {} has its result"


class Begun(Check["Entry"]):
    """Superseded rows that still name files while no `reprocess` or `retry` is at work."""

    def chunks(self) -> Iterator[Sequence[Entry]]:
        if self.books.inbox_is_there:
            yield from audit.half_done(self.books.database)

    def fresh(self, subjects: Sequence[Entry]) -> Sequence[Entry]:
        return [entry for entry in audit.by_id(self.books.database, (entry.id for entry in subjects)) if entry.begun]

    def faults(self, subjects: Sequence[Entry]) -> Iterator[tuple[Entry, Finding]]:
        if self.books.reprocess:
            return
        for entry in subjects:
            sentence = (
                f"Row {entry.id} ({entry.path}) was being put in line again when that was stopped: --repair ends it."
            )
            yield (
                entry,
                Finding(
                    kind=Kind.REPROCESS_BEGUN,
                    path=entry.original_path,
                    row=entry.id,
                    sentence=sentence,
                    repairable=True,
                ),
            )

    def mend(self, subject: Entry, finding: Finding) -> str:
        books = self.books
        end_begun(books.home, books.database, audit.outdated(books.database, [subject.id]), "")
        return f"Row {subject.id} ({subject.path}) is in line again."


class SharedOriginals(Check["Shared"]):
    """An original that two results name: somebody has put it into the inbox again, or another came under its name."""

    def chunks(self) -> Iterator[Sequence[Shared]]:
        yield from audit.shared(self.books.database)

    def fresh(self, subjects: Sequence[Shared]) -> Sequence[Shared]:
        chunks = audit.shared(self.books.database, [pair.older.id for pair in subjects])
        return [pair for chunk in chunks for pair in chunk]

    def faults(self, subjects: Sequence[Shared]) -> Iterator[tuple[Shared, Finding]]:
        yield from not_accepted(self.books, self._faults(subjects))

    def _faults(self, subjects: Sequence[Shared]) -> Iterator[tuple[Shared, Finding]]:
        for pair in subjects:
            older, newest = pair.older, pair.newest
            self.books.noted.shared.add(older.id)
            same = older.sha256 == newest.sha256
            sentence = f"Rows {older.id} and {newest.id} both name the original {older.original_path}: " + (
                f"it was put into the inbox again, and --repair marks row {older.id} as superseded."
                if same
                else f"it is that of row {newest.id} now, and that of row {older.id} is gone.{GONE_FOR_GOOD}"
            )
            yield (
                pair,
                Finding(
                    kind=Kind.ORIGINAL_SHARED,
                    path=older.original_path,
                    row=older.id,
                    sentence=sentence,
                    repairable=same and self.books.inbox_is_there,
                ),
            )

    def mend(self, subject: Shared, finding: Finding) -> str:
        books, older = self.books, subject.older
        rows = audit.outdated(books.database, [older.id])
        if not rows:
            raise CannotMend("the row is gone")
        end_begun(books.home, books.database, rows, BY_HAND.format(subject.newest.id))
        return f"Row {older.id} ({older.path}) is superseded by row {subject.newest.id}."
