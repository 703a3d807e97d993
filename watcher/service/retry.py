"""Puts failed pictures in line again, as moving them back into the inbox by hand does, but with a row that says so."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.errors import HomeError
from watcher.intake.names import clean
from watcher.results import NoDatabase
from watcher.service.reprocess import alone, end_begun, open_results, owners_of
from watcher.service.tried_again import reason
from watcher.service.way_back import WayBack

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from watcher.home import Home
    from watcher.results.superseding import Outdated


@dataclass(slots=True)
class Retried:
    """How many failed pictures are in line again; `unknown` are the names that no failed picture there has."""

    in_line: int = 0
    unknown: list[str] = field(default_factory=list)


def retry(home: Home, names: Collection[str] | None, group: str | None, now: datetime) -> Retried:
    """Puts in line the failed pictures of these names, or all; of one group, if given. May be repeated after a crash.

    A name is that of the file, its path below the inbox, or where it stands in the folder of failed pictures. Those that
    a person has moved away are passed over. Raises HomeError if the inbox is away or another such command is
    at work, OSError, and what opening the database may raise.
    """
    from watcher.results.superseding import failed

    done, left = Retried(), set(names or ())
    with ExitStack() as stack:
        stack.enter_context(alone(home, now))
        try:
            database = stack.enter_context(open_results(home, readonly=False))
        except NoDatabase:
            return Retried(unknown=sorted(left))
        way = WayBack(home)
        if not way.is_open:
            raise HomeError(f"the inbox {home.inbox} is not there; is its share mounted?")
        for chunk in failed(database, group):
            wanted = [row for row in chunk if row.begun or names is None or _names(home, row) & set(names)]
            owners = owners_of(home, database, wanted)
            rows = [row for row in wanted if row.begun or way.has(row, owners)]
            end_begun(home, database, rows, reason(now))
            done.in_line += len(rows)
            left -= {name for row in rows for name in _names(home, row)}
    done.unknown = sorted(left)
    return done


def _names(home: Home, row: Outdated) -> set[str]:
    """What a person may call a failed picture."""
    place = str(home.root / (row.original_path or ""))
    below = os.path.relpath(place, home.failed)
    return {row.path, os.path.basename(row.path), place, os.path.relpath(place, home.root), below, clean(below)}
