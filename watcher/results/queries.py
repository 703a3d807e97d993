"""What people ask of the results: filters over pictures, newest first unless asked otherwise, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from watcher.results import ways
from watcher.results.database import Database
from watcher.results.records import State, check_aware

SIZE = 2000  # rows in memory at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which results, and in which order: all that is not None must hold.

    ValueError for a limit below 0, a naive time, a column that there is not, or one in whose order nothing comes after.
    """

    id: int | None = None
    name: str | None = None  # a file's name; with a slash in it, its path below the inbox
    model: str | None = None
    label: str | None = None  # the best one
    group: str | None = None  # with its sub-groups; "" for the pictures in no group
    state: State | None = None
    needs_review: bool = False  # only those that do
    min_score: float | None = None  # inclusive
    max_score: float | None = None  # inclusive
    since: datetime | None = None  # finished then or later; aware
    until: datetime | None = None  # finished before; aware
    limit: int | None = None  # the first so many
    sort: str = "finished_at"  # a column of the view; what is alike there comes by time, then by id
    descending: bool = True
    after: int | None = None  # only what comes after the picture of this id in that order, as for the next page

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise ValueError(f"limit is {self.limit}")
        if self.sort not in COLUMNS:
            raise ValueError(f"there is no column {self.sort}")
        if self.after is not None and self.sort not in ways.PAGED:
            raise ValueError(f"pages are in the order of one of {', '.join(ways.PAGED)}, not of {self.sort}")
        check_aware(self.since, self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """A row of the view `results`, in its words: README.md says what each column means."""

    id: int
    name: str
    path: str
    grp: str
    sha256: str | None
    width: int | None
    height: int | None
    model: str | None
    model_version: int | None
    label: str | None
    score: float | None
    margin: float | None
    needs_review: int | None
    state: State
    reason: str | None
    received_at: str
    finished_at: str
    outbox_path: str | None


COLUMNS = tuple(field.name for field in fields(ResultRow))
_NUMBERS: dict[str, type] = {
    **dict.fromkeys(("id", "width", "height", "model_version", "needs_review"), int),
    **dict.fromkeys(("score", "margin"), float),
}
KINDS = {name: _NUMBERS.get(name, str) for name in COLUMNS}


def find(database: Database, wanted: Filter) -> list[ResultRow]:
    """The results that fit, all at once. Raises DatabaseUnavailable."""
    return [_row(*values) for part in stream(database, wanted) for values in part]


def stream(database: Database, wanted: Filter, size: int = SIZE) -> Iterator[Sequence[Sequence[Any]]]:
    """The results that fit, `size` at a time, as values in the order of `COLUMNS`, all of one moment.

    Raises DatabaseUnavailable.
    """
    with database.reading() as connection:
        statement = ways.statement(connection, wanted, COLUMNS)
        with connection.execution_options(yield_per=size).execute(statement) as rows:
            yield from rows.partitions()


def _row(*values: Any) -> ResultRow:
    row = dict(zip(COLUMNS, values, strict=True))
    return ResultRow(**row | {"state": State(row["state"])})
