"""What a check is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from watcher.books.findings import Finding, Kind
from watcher.intake.walk import files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from watcher.books.books import Books

Subject = TypeVar("Subject")


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


def walk(books: Books, root: Path, skip: Collection[Path], wanted: Callable[[str], bool]) -> Iterator[Path]:
    """The files below a folder that have `wanted` names; in the end the folders that could not be looked through."""
    closed: dict[Path, OSError] = {}
    yield from (path for path in files(root, skip, closed.__setitem__) if wanted(path.name))
    books.noted.closed |= closed
    yield from closed


def unreadable(books: Books, path: Path, fault: OSError, row: int | None = None) -> Finding:
    """A file, or a folder, of which nothing can be said."""
    if row is None:  # found by looking through a folder: it need not be told again of the row that names it
        books.noted.unreadable.add(path)
    why = books.noted.closed.get(path, fault).strerror
    sentence = f"{books.said(path)} cannot be read ({why}): let this user read it, or mend its disk."
    return Finding(kind=Kind.UNREADABLE, path=books.said(path), row=row, sentence=sentence, repairable=False)
