"""What a home is doing: every picture counted once, everything left alone explained."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from watcher.chunks import in_chunks
from watcher.clock import utc
from watcher.errors import HomeError
from watcher.intake.arrivals import LeftAlone
from watcher.intake.claims import ClaimFolder
from watcher.intake.names import clean
from watcher.intake.scan import scan
from watcher.jobs.standing import Standing, standings
from watcher.models.registry import Registry
from watcher.results import Database, NoDatabase, State, connect
from watcher.results.aside import set_aside
from watcher.results.runbook import RunBook
from watcher.service.identity import identity
from watcher.service.kept import not_kept
from watcher.service.lock import holder
from watcher.service.note import Behind, Note, Trouble, Working, read
from watcher.service.notes import stray_note
from watcher.service.routes import Routes
from watcher.service.shares import Shares, away

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from watcher.home import Home
    from watcher.service.first_sights import FirstSights

STATES = ("waiting", "claimed", *(state.value for state in State))
MOST_EXPLAINED = 100
# A daemon at full speed moves something every few milliseconds; a look takes as long.
LONGEST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ModelWait:
    """Pictures that wait for a model, and what to do about it."""

    model: str
    pictures: int
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """A home at one moment. `total` is the sum of the seven states before it."""

    waiting: int
    claimed: int
    done: int
    failed: int
    duplicate: int
    vanished: int
    superseded: int
    total: int
    daemon: str | None
    models_working: tuple[Working, ...]
    models_missing: tuple[ModelWait, ...]
    models_behind: tuple[Behind, ...]
    troubles: tuple[Trouble, ...]
    databases_set_aside: tuple[str, ...]
    left_alone: int
    left_alone_first: tuple[LeftAlone, ...]
    jobs: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    pictures: int
    by_missing_model: dict[str, int]
    left_alone: int
    left_alone_first: tuple[LeftAlone, ...]


def troubles(home: Home) -> tuple[Trouble, ...]:
    """What a running daemon says that it cannot do at the moment."""
    return read(home.root).troubles if holder(home.lock) else ()


def status(home: Home, refused: Mapping[str, str] = MappingProxyType({}), sights: FirstSights | None = None) -> Status:
    """Counts the inbox, the claim folder and the database.

    A picture on its way between them could be counted twice or not at all, so it looks again until
    nothing moved meanwhile, for two seconds at most. `refused` says of models that are here why they cannot be used, by
    name; `sights` is told of each that waits or is in work. Raises HomeError if the inbox is not there, and what opening
    the database may raise.
    """
    if point := Shares(home).missing_for(home.inbox):
        raise HomeError(away(home.inbox, point))
    routes = Routes(home.settings.models, Registry(home.models))
    daemon = holder(home.lock)
    note = read(home.root) if daemon else Note()
    works = {model.model for model in note.behind}
    found = {**refused, **routes.obstacles()}
    obstacles = {model: reason for model, reason in sorted(found.items()) if model not in works}
    database = _open(home)
    try:
        rows, claimed, waiting = _counted(home, routes, obstacles.keys(), database, sights)
        jobs = standings(home, RunBook(database, identity(home.root)) if database else None, utc())
    finally:
        if database:
            database.close()
    counts = {state.value: rows[state] for state in State}
    return Status(
        waiting=waiting.pictures,
        claimed=len(claimed),
        **counts,
        total=waiting.pictures + len(claimed) + sum(counts.values()),
        daemon=daemon,
        models_working=note.working,
        models_missing=tuple(
            ModelWait(model, waiting.by_missing_model.get(model, 0), reason)
            for model, reason in obstacles.items()
            if model in waiting.by_missing_model or model == home.settings.models.default
        ),
        models_behind=note.behind,
        troubles=note.troubles,
        databases_set_aside=_set_aside(home),
        left_alone=waiting.left_alone,
        left_alone_first=waiting.left_alone_first,
        jobs=jobs,
    )


def _set_aside(home: Home) -> tuple[str, ...]:
    """Damaged databases in whose place rebuilt ones are."""
    file = connect.target(home.settings.database.url, home.root).file
    return tuple(map(str, set_aside(file))) if file else ()


def _open(home: Home) -> Database | None:
    try:
        return Database.open(home.settings.database.url, home.root, readonly=True)
    except NoDatabase:
        return None


def _counted(
    home: Home,
    routes: Routes,
    missing: Container[str],
    database: Database | None,
    sights: FirstSights | None,
) -> tuple[dict[State, int], frozenset[str], _Waiting]:
    """Rows, claims without one, and what waits, of one moment if that can be had."""
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        rows, claimed = _settled(home, database)
        waiting = _waiting(home, routes, missing, database, sights)
        if (rows, claimed) == _settled(home, database) or time.monotonic() > until:
            return rows, claimed, waiting


def _settled(home: Home, database: Database | None) -> tuple[dict[State, int], frozenset[str]]:
    """The rows, and the claims that have none yet."""
    ids = ClaimFolder(home.inbox, "").ids()
    if database is None:
        return dict.fromkeys(State, 0), frozenset(ids)
    recorded = database.recorded(ids).keys()
    return database.counts(), frozenset(ids) - recorded


def _waiting(
    home: Home, routes: Routes, absent: Container[str], database: Database | None, sights: FirstSights | None
) -> _Waiting:
    pictures, left = 0, 0
    first: list[LeftAlone] = []
    missing: dict[str, int] = {}
    if sights:
        sights.begin()
    keeps = home.settings.intake.originals == "keep"  # else the daemon takes what was once kept
    for chunk in _chunks(home):
        alone = [item for item in chunk if isinstance(item, LeftAlone)]
        left += len(alone)
        first += alone[: MOST_EXPLAINED - len(first)]
        seen_here = [item for item in chunk if not isinstance(item, LeftAlone)]
        for seen in not_kept(seen_here, database) if database and keeps else seen_here:
            pictures += 1
            if sights:
                sights.saw(seen.fingerprint)
            if (model := routes.model_of(seen.path)) in absent:
                missing[model] = missing.get(model, 0) + 1
    if sights:  # now, for what was claimed meanwhile is among these
        for _, claim in ClaimFolder(home.inbox, "").holdings():
            sights.saw(claim.fingerprint)
        sights.end()
    explained = tuple(LeftAlone(clean(item.path), stray_note(home.inbox, item.path) or item.reason) for item in first)
    return _Waiting(pictures, missing, left, explained)


def _chunks(home: Home) -> Iterator[list[Any]]:
    found = scan(home.inbox)
    try:
        yield from in_chunks(found)
    except OSError as fault:
        raise HomeError(f"the inbox {home.inbox} cannot be read: {fault.strerror}; is its share mounted?") from fault
