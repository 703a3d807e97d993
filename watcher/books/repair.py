"""Mends what does not balance, as far as that can be done without guessing.

Only copies that we have drawn are ever deleted: where another counts beside them, or where their picture, which no row
names, is put in line to be drawn anew.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from watcher.books.accepted import Accepted, accept, forget_returned
from watcher.books.books import Books
from watcher.books.findings import CannotMend, Finding
from watcher.books.verify import CHECKS, Key, away_folders, key, look, sure, without_database
from watcher.results import NoDatabase
from watcher.service import lock
from watcher.service.reprocess import alone, open_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from watcher.books.checks.check import Check
    from watcher.home import Home
    from watcher.results import Database

Event = TypeVar("Event")

# One mending can bring the next to light, of the same thing or of another.
MOST_MENDINGS, MOST_ROUNDS = 10, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was done about a finding; `fault` says why it could not be, if it could not."""

    finding: Finding
    done: str
    fault: str | None = None


def repair(home: Home, now: datetime, *, contents: bool = False) -> Iterator[Mended | Finding]:
    """First each thing that was mended, then what does not balance even so.

    May be repeated, after a crash too. Raises HomeError if a daemon, `reprocess` or `retry` is at work here, and what
    `verify` raises.
    """
    yield from _with_books(home, now, contents, lambda books: _Mender(books).mend())


def accept_gone(home: Home, now: datetime, *, contents: bool = False) -> Iterator[Accepted | Finding]:
    """Notes that files which are gone were taken out on purpose; then tells what does not balance even so.

    Copies and originals that could be put right are noted, too: whoever wants them back repairs first. Nothing is
    said of folders that are away. Raises what `repair` may raise, and OSError where a share goes meanwhile.
    """

    def accepting(new: Callable[[], Books]) -> Iterator[Accepted | Finding]:
        books = new()
        yield from accept(books, (item.finding for check in CHECKS for item in look(check(books))), now)

    yield from _with_books(home, now, contents, accepting)


def _with_books(
    home: Home, now: datetime, contents: bool, work: Callable[[Callable[[], Books]], Iterator[Event]]
) -> Iterator[Event | Finding]:
    """What `work` says of the books, which it is given new as often as it asks, and then which folders are away."""
    with ExitStack() as stack:
        try:
            database = stack.enter_context(_alone(home, now))
        except NoDatabase as fault:
            yield from without_database(home, fault)
            return
        away = list(away_folders(home, database))
        books = partial(Books, home, database, contents=contents, alone=True, away=tuple(folder for folder, _ in away))
        forget_returned(books())
        yield from work(books)
        yield from (finding for _, finding in away)


@contextmanager
def _alone(home: Home, now: datetime) -> Iterator[Database]:
    """The results, with nobody else at work."""
    with lock.held(home.lock, now), alone(home, now), open_results(home, readonly=False) as database:
        yield database


class _Mender:
    """Goes through all checks until they find nothing more that can be mended."""

    def __init__(self, books: Callable[[], Books]) -> None:
        self._books = books
        self._given_up: set[Key] = set()

    def mend(self) -> Iterator[Mended | Finding]:
        """What was mended, and then what is left."""
        for _ in range(MOST_ROUNDS):
            left: list[Finding] = []
            changed = False
            # What was noted before something was mended may be true no more.
            books = self._books()
            for check in CHECKS:
                for event in self._go_through(check(books)):
                    if isinstance(event, Finding):
                        left.append(event)
                    else:
                        changed |= event.fault is None
                        yield event
            if not changed:
                break
        yield from left

    def _go_through(self, check: Check[Any]) -> Iterator[Mended | Finding]:
        for chunk in check.chunks():
            for subject, findings in groupby(sure(check, chunk), key=lambda found: found[0]):
                some = [finding for _, finding in findings]
                if any(self._may(finding) for finding in some):
                    yield from self._mend(check, subject)
                else:
                    yield from some

    def _may(self, finding: Finding) -> bool:
        return finding.repairable and key(finding) not in self._given_up

    def _mend(self, check: Check[Any], subject: Any) -> Iterator[Mended]:
        """Mends what is wrong about a subject now: what was mended before may have changed that."""
        for _ in range(MOST_MENDINGS):
            found = sure(check, check.fresh([subject]))
            now, finding = next(((now, finding) for now, finding in found if self._may(finding)), (None, None))
            if finding is None:
                return
            try:
                check.books.must_be_there()
                yield Mended(finding=finding, done=check.mend(now, finding))
            except CannotMend as fault:
                self._given_up.add(key(finding))
                yield Mended(finding=finding, done="", fault=str(fault))
            except OSError as fault:
                self._given_up.add(key(finding))
                where = f"{fault.filename}: " if fault.filename else ""
                yield Mended(finding=finding, done="", fault=f"{where}{fault.strerror or fault}")
