"""Puts pictures in line again whose results came from a model version that turned out bad.

For each chunk of rows, in this order: (1) one transaction says that their results are superseded, their files still
named; (2) each original goes into the claim folder under a name of its own, its annotated copy is removed, and it goes
on into the inbox, where the daemon takes it as a new arrival; (3) one transaction lets the rows go of their files.

After a crash the same command ends what was begun, for those rows are superseded and still name files. Before (2)
the original is where the row says; in (2) it is there or in the claim folder; after that it is in line or done again.
Its old name may then be that of the new result's original, which is told by a later row that names the same place.
A kept original does not move: it is passed over as long as its row names it, and so is in line from (3) on.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING

from watcher import locks
from watcher.errors import HomeError, HomeUnavailable, ModelError
from watcher.models.registry import Registry, another
from watcher.results import Database, NoDatabase
from watcher.service import note
from watcher.service.lock import holder
from watcher.service.way_back import WayBack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.home import Home
    from watcher.results.superseding import Outdated

LOCK = ".watcher.reprocess"
MOST_NAMED = 5
# A daemon looks once a second for a new version, and has to load it.
PATIENCE_SECONDS, LOOK_SECONDS = 60.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """The results of one version of a model or, with `before`, of all lower ones; of one group, if given."""

    model: str
    version: int
    before: bool = False
    group: str | None = None

    def __str__(self) -> str:
        return f"{'a version before ' if self.before else ''}{self.model}/{self.version}"

    def covers(self, version: int) -> bool:
        return version < self.version if self.before else version == self.version


@dataclass(slots=True)
class Reprocessed:
    """What became of the pictures with such results; `missing_first` are some of those that are missing, by path."""

    in_line: int = 0
    deleted: int = 0
    missing: int = 0
    missing_first: list[str] = field(default_factory=list)


def reprocess(
    home: Home, which: Which, now: datetime, *, dry_run: bool = False, patience: float = PATIENCE_SECONDS
) -> Reprocessed:
    """Puts in line what `which` names; with `dry_run` it only counts. May be repeated, after a crash too.

    Pictures whose originals are not there any more stay as they are. Waits for a daemon that still uses a version in
    question, for `patience` seconds. Raises ModelError if that, or the live version, would only repeat the results,
    HomeError if the inbox is away or another such command is at work, OSError, and what opening
    the database may raise.
    """
    registry = Registry(home.models)
    live = registry.current(which.model).card.version
    _check(which, live, registry.versions(which.model))
    if not dry_run:
        _wait_for_daemon(home, which, live, time.monotonic() + patience)
    done = Reprocessed()
    with ExitStack() as stack:
        stack.enter_context(alone(home, now))
        try:
            database = stack.enter_context(open_results(home, readonly=dry_run))
        except NoDatabase:
            return done
        way = WayBack(home)
        if not way.is_open:
            raise HomeError(f"the inbox {home.inbox} is not there; is its share mounted?")
        for reason, chunk in _chunks(database, which, now):
            _put_in_line(database, way, _look(home, database, way, chunk, done), reason, dry_run=dry_run)
    return done


def _check(which: Which, live: int, versions: Sequence[int]) -> None:
    """Raises ModelError, with a way out, where the live version would only repeat what it is to mend."""
    if not which.covers(live):
        return
    name = which.model
    if not any(version != live and not which.covers(version) for version in versions):
        raise ModelError(f"{name}/{live} is current, and there is no version here to take its place: {another(name)}")
    if which.before:
        raise ModelError(
            f"{name}/{live} is current, and itself before {name}/{which.version}: "
            f"choose a later one first, with `watcher models promote {name} VERSION`"
        )
    raise ModelError(
        f"{name}/{live} is current and would only say the same again: go back first, with "
        f"`watcher models rollback {name}`, or choose another with `watcher models promote {name} VERSION`"
    )


def _wait_for_daemon(home: Home, which: Which, live: int, until: float) -> None:
    while holder(home.lock) and which.covers(used := _at_work(home, which.model) or live):
        if time.monotonic() > until:
            raise ModelError(
                f"the daemon still uses {which.model}/{used}, though {which.model}/{live} is current: "
                "`watcher status` says why; once that is mended, give this command again"
            )
        time.sleep(LOOK_SECONDS)


def _at_work(home: Home, model: str) -> int | None:
    """The version that the daemon has loaded, if any."""
    return next((each.version for each in note.read(home.root).working if each.model == model), None)


@contextmanager
def alone(home: Home, now: datetime) -> Iterator[None]:
    """Two at a time could each take the other's half-done work for its own. Raises HomeUnavailable."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(home.root / LOCK, now))
        except locks.Locked as locked:
            raise HomeUnavailable(
                f"pictures of {home.root} are being put in line already, by {locked.who}; wait until that has ended"
            ) from None
        yield


def open_results(home: Home, *, readonly: bool) -> Database:
    """Only a reader is told where there is no database yet, or an older one, which is the daemon's to upgrade."""
    database = Database.open(home.settings.database.url, home.root, readonly=True)
    if readonly:
        return database
    database.close()
    return Database.open(home.settings.database.url, home.root)


def _chunks(database: Database, which: Which, now: datetime) -> Iterator[tuple[str, list[Outdated]]]:
    """The rows in question, and what they are to say."""
    from watcher.results.superseding import makers, newest, outdated

    until = newest(database)
    for maker in makers(database, which.model):
        if which.covers(maker.version):
            day = now.astimezone(UTC).date().isoformat()
            reason = f"put in line again on {day}: made by {which.model}/{maker.version}"
            for chunk in outdated(database, maker, which.group, until):
                yield reason, chunk


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows whose originals can go, and to which rows the names of originals belong."""

    rows: list[Outdated]
    owners: dict[str, int]


def end_begun(home: Home, database: Database, rows: list[Outdated], reason: str) -> None:
    """Ends what was begun with rows that are superseded; others are superseded first, for this `reason`.

    Raises OSError and what writing to the database may raise.
    """
    found = _Found(rows, owners_of(home, database, rows))
    _put_in_line(database, WayBack(home), found, reason, dry_run=False)


def owners_of(home: Home, database: Database, rows: Sequence[Outdated]) -> dict[str, int]:
    """Who was dropped under the name that an original has in `done` or `failed` may have got its place."""
    from watcher.results.superseding import owners

    return owners(database, chain.from_iterable((row.path, _below(home, row.original_path or "")) for row in rows))


def _look(home: Home, database: Database, way: WayBack, chunk: Sequence[Outdated], done: Reprocessed) -> _Found:
    """Which of a chunk can be put in line; counts them all."""
    found = _Found([], owners_of(home, database, chunk))
    for row in chunk:
        if row.begun or way.has(row, found.owners):
            found.rows.append(row)
            done.in_line += 1
        elif row.original_path is None:
            done.deleted += 1
        else:
            done.missing += 1
            done.missing_first += [row.path] if len(done.missing_first) < MOST_NAMED else []
    return found


def _below(home: Home, original_path: str) -> str:
    path = home.root / original_path
    for folder in (home.done, home.failed):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return original_path


def _put_in_line(database: Database, way: WayBack, found: _Found, reason: str, *, dry_run: bool) -> None:
    from watcher.results.superseding import let_go, supersede

    if dry_run:
        return
    way.must_be_open(found.rows)
    supersede(database, found.rows, reason)
    for row in found.rows:
        way.go(row, found.owners)
    way.sync(found.rows)
    let_go(database, found.rows)
