"""Files that people have taken out for good: what is known to be gone, and accepted, is no fault any more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from watcher.books.findings import Finding, Kind
from watcher.results import audit, taken_out
from watcher.results.records import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from watcher.books.books import Books
    from watcher.results.audit import Entry
    from watcher.results.taken_out import Piece

Subject = TypeVar("Subject")

GONE_FOR_GOOD = " If it was taken out on purpose, `watcher verify --accept` notes that."
# Not what was changed: among many files that are gone nobody would see it.
PARTS = {
    Kind.COPY_MISSING: Part.COPY,
    Kind.ORIGINAL_MISSING: Part.ORIGINAL,
    Kind.ORIGINAL_SHARED: Part.ORIGINAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A file that is gone, and that is noted as taken out from now on."""

    finding: Finding
    done: str


def piece(finding: Finding) -> Piece | None:
    """Of which row which file is gone; None where it is something else that does not balance."""
    part = PARTS.get(finding.kind)
    if part is None or finding.row is None or (finding.kind is Kind.ORIGINAL_SHARED and finding.repairable):
        return None
    return finding.row, part


def not_accepted(books: Books, found: Iterable[tuple[Subject, Finding]]) -> Iterator[tuple[Subject, Finding]]:
    """The findings without those about files that are known to be taken out."""
    rest = list(found)
    pieces = [piece(finding) for _, finding in rest]
    known = taken_out.accepted(books.database, (one[0] for one in pieces if one)) if any(pieces) else set()
    yield from (found for found, one in zip(rest, pieces, strict=True) if one not in known)


def accept(books: Books, found: Iterable[Finding], now: datetime) -> Iterator[Accepted | Finding]:
    """Notes of the files that are gone that they are taken out, all at once; what else does not balance is left."""
    gone: dict[Piece, Finding] = {}
    left: list[Finding] = []
    for finding in found:
        if one := piece(finding):
            gone[one] = finding
        else:
            left.append(finding)
    books.must_be_there()
    taken_out.accept(books.database, gone, now)
    for (row, part), finding in gone.items():
        what = "annotated copy" if part is Part.COPY else "original"
        yield Accepted(
            finding=finding, done=f"The {what} of row {row} ({finding.path or 'named nowhere'}) is taken out."
        )
    yield from left


def forget_returned(books: Books) -> None:
    """Files that stand where they were are not taken out any more."""
    for pieces in taken_out.everything(books.database):
        entries = {entry.id: entry for entry in audit.by_id(books.database, {row for row, _ in pieces})}
        here = [(row, part) for row, part in pieces if row in entries and _stands(books, entries[row], part)]
        taken_out.forget(books.database, here)


def _stands(books: Books, entry: Entry, part: Part) -> bool:
    path = entry.outbox_path if part is Part.COPY else entry.original_path
    if path is None or books.is_away(place := books.place(path)):
        return False
    with suppress(OSError):
        if part is Part.COPY:
            return books.is_copy(place, entry.claim)
        return books.is_original(place, entry, contents=True)
    return False
