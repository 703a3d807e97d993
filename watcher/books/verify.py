"""Do the books balance? What the rows say is held against what is on the disk, and the other way round."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from watcher.books.books import Books
from watcher.books.checks.begun import Begun, SharedOriginals
from watcher.books.checks.claims import Astray, Recorded, Strangers
from watcher.books.checks.copies import Copies
from watcher.books.checks.damage import Damage
from watcher.books.checks.leftovers import Leftovers
from watcher.books.checks.originals import DoneOriginals, FailedOriginals
from watcher.books.checks.rows import Rows
from watcher.books.findings import Finding, Kind
from watcher.chunks import in_chunks
from watcher.errors import HomeError
from watcher.intake.filters import has_picture_ending
from watcher.intake.inside import is_folder
from watcher.intake.names import clean
from watcher.intake.presence import FOLDER
from watcher.intake.walk import files
from watcher.results import Database, NoDatabase, State, audit, taken_out
from watcher.results.superseding import newest
from watcher.service.reprocess import open_results
from watcher.service.shares import Shares
from watcher.service.status import STATES, status
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.books.checks.check import Check
    from watcher.home import Home

# In this order, so that what one mends the next need not find: what was begun is ended first, files that were moved
# are found before the rows that miss them, and what is then still in the claim folder is left there by mistake.
CHECKS: tuple[type[Check[Any]], ...] = (
    Damage, Recorded, Begun, SharedOriginals, DoneOriginals, FailedOriginals, Copies, Rows, Astray, Strangers, Leftovers,
)  # fmt: skip
# While others are at work, what was found is looked at so often again, so long afterwards.
LOOKS, PAUSE_SECONDS = 2, 1.0
MOST_DOUBTFUL = 5000
UNMOUNTED = "is not there, for nothing is mounted where it was"
# A folder that is empty although so many files should be in it is an unmounted share.
MANY = 1000

Key = tuple[Kind, "str | None", "int | None"]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and who has found it about what."""

    check: Check[Any]
    subject: Any
    finding: Finding


def key(finding: Finding) -> Key:
    """What tells a finding from every other, at one look and the next."""
    return finding.kind, finding.path, finding.row


def verify(home: Home, *, contents: bool = False, pause: Callable[[float], None] = time.sleep) -> Iterator[Finding]:
    """What does not balance, as it is found; with `contents` each original is read and compared, too.

    A daemon may be at work meanwhile: only what is still so when it is looked at again counts. Raises OSError, and
    what opening the results to read may raise, but for NoDatabase.
    """
    try:
        database = open_results(home, readonly=True)
    except NoDatabase as fault:
        yield from without_database(home, fault)
        return
    with database:
        away = list(away_folders(home, database))
        yield from (finding for _, finding in away)
        books = Books(home, database, contents=contents, away=tuple(folder for folder, _ in away))
        found = chain.from_iterable(look(check(books)) for check in CHECKS)
        for doubtful in in_chunks(found, MOST_DOUBTFUL):
            yield from (item.finding for item in _still_so(books, doubtful, pause))


def counts(home: Home) -> dict[str, int | None]:
    """How many pictures are in each state; None where nobody can say, for the inbox is away.

    Raises what opening the results to read may raise.
    """
    try:
        found = status(home)
    except HomeError:
        rows = dict.fromkeys(State, 0)
        with suppress(NoDatabase), open_results(home, readonly=True) as database:
            rows = database.counts()
        return dict.fromkeys(STATES) | {state.value: number for state, number in rows.items()}
    return {name: getattr(found, name) for name in STATES}


def accepted(home: Home) -> dict[str, int]:
    """How many files are known to be taken out, by the day on which that was accepted, oldest first.

    Raises what opening the results to read may raise.
    """
    with suppress(NoDatabase), open_results(home, readonly=True) as database:
        return taken_out.days(database)
    return {}


def look(check: Check[Any]) -> Iterator[Found]:
    """What one check finds. Raises OSError where a share goes meanwhile, with nothing said of what was on it."""
    for chunk in check.chunks():
        yield from (Found(check, subject, finding) for subject, finding in sure(check, chunk))


def sure(check: Check[Any], subjects: Sequence[Any]) -> list[tuple[Any, Finding]]:
    """What a check finds about subjects while all shares are there that were at the start. Raises OSError."""
    try:
        found = list(check.faults(subjects))
    except OSError:
        check.books.must_be_there()  # which says it better
        raise
    if found:
        check.books.must_be_there()
    return found


def away_folders(home: Home, database: Database) -> Iterator[tuple[Path, Finding]]:
    """Folders that are not there, or are mount points of shares that are not: nothing can be said of their files."""
    shares = Shares(home)
    if newest(database) and not is_folder(home.inbox / FOLDER):
        what = f"has no folder {FOLDER}" if home.inbox.is_dir() else "is not there"
        yield home.inbox, _away(home, home.inbox, what)
    elif shares.missing_for(home.inbox):
        yield home.inbox, _away(home, home.inbox, UNMOUNTED)
    copies, originals = audit.named(database, MANY)
    for folder, named in ((home.outbox, copies), (home.done, originals), (home.failed, 0)):
        if shares.missing_for(folder):
            yield folder, _away(home, folder, UNMOUNTED)
        elif named and not folder.is_dir():
            yield folder, _away(home, folder, "is not there")
        elif named >= MANY and _is_empty(folder):
            yield folder, _away(home, folder, "is empty", " If it was emptied on purpose, put any file into it.")


def without_database(home: Home, fault: NoDatabase) -> Iterator[Finding]:
    """Where there are no books, nothing may be done either."""
    if not home.inbox.is_dir():
        yield _away(home, home.inbox, "is not there")
    for folder, is_ours in ((home.outbox, read_caption), (home.done, lambda path: has_picture_ending(path.name))):
        found = (path for path in files(folder) if path.is_file() and is_ours(path))
        if path := next(found, None):
            said = clean(home.relative(path))
            sentence = f"{said} is there, but {fault}. If the database was moved or lost, put it back first."
            yield Finding(kind=Kind.NO_DATABASE, path=said, row=None, sentence=sentence, repairable=False)


def _is_empty(folder: Path) -> bool:
    """No for a folder that cannot be read, which is told of as such."""
    with suppress(OSError), os.scandir(folder) as entries:
        return next(entries, None) is None
    return False


def _away(home: Home, folder: Path, what: str, more: str = "") -> Finding:
    said = clean(home.relative(folder))
    sentence = f"The folder {said} {what}; is its share mounted? Nothing is said of the files in it.{more}"
    return Finding(kind=Kind.FOLDER_AWAY, path=said, row=None, sentence=sentence, repairable=False)


def _still_so(books: Books, found: Sequence[Found], pause: Callable[[float], None]) -> Sequence[Found]:
    """What is still so at another look; beside others at work, at several, each after a pause."""
    if books.daemon or books.reprocess:
        for _ in range(LOOKS):
            pause(PAUSE_SECONDS)
            found = _again(found)
        return found
    return _again(found)


def _again(found: Sequence[Found]) -> Sequence[Found]:
    """What is still so now."""
    if not found:
        return found
    subjects: dict[int, tuple[Check[Any], list[Any]]] = {}
    for item in found:
        subjects.setdefault(id(item.check), (item.check, []))[1].append(item.subject)
    now = set()
    for check, some in subjects.values():
        for _, finding in sure(check, check.fresh(some)):
            now.add((id(check), key(finding)))
    return [item for item in found if (id(item.check), key(item.finding)) in now]
