"""What a check is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from watcher.books.findings import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from watcher.books.books import Books

Subject = TypeVar("Subject")
Item = TypeVar("Item")
CHUNK = 500


class Check(ABC, Generic[Subject]):
    """Looks through subjects of one kind (rows, files, claims), a chunk at a time, in the order that they come in.

    Any method raises OSError and DatabaseUnavailable for the world's faults.
    """

    def __init__(self, books: Books) -> None:
        self.books = books

    @abstractmethod
    def chunks(self) -> Iterator[Sequence[Subject]]:
        """All that is to be looked at. It may be mended between two chunks."""

    def fresh(self, subjects: Sequence[Subject]) -> Sequence[Subject]:
        """The same as they are now; those that are gone are left out."""
        return subjects

    @abstractmethod
    def faults(self, subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Finding]]:
        """What does not balance about them. While others are at work it may be wrong: then look again."""

    def mend(self, subject: Subject, finding: Finding) -> str:
        """Puts right what was found just now, with nobody else at work; says what was done. May be repeated.

        Raises CannotMend.
        """
        raise NotImplementedError(finding.kind)


def in_chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items, so many at a time as one question to the database takes."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def unreadable(books: Books, path: Path, fault: OSError, row: int | None = None) -> Finding:
    """A file of which nothing can be said."""
    sentence = f"{books.said(path)} cannot be read ({fault.strerror}): let this user read it, or mend its disk."
    return Finding(kind=Kind.UNREADABLE, path=books.said(path), row=row, sentence=sentence, repairable=False)
