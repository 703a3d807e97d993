"""What people ask of the results: filters over the view `results`, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, column, or_, select, table

from watcher.results.database import Database
from watcher.results.records import State, check_aware
from watcher.results.tables import utc_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which results: all that is not None must hold. ValueError for a limit below 0 or a naive time."""

    id: int | None = None
    name: str | None = None  # a file's name; with a slash in it, its path below the inbox
    model: str | None = None
    label: str | None = None  # the best one
    group: str | None = None  # with its sub-groups; "" for the pictures in no group
    state: State | None = None
    min_score: float | None = None  # inclusive
    max_score: float | None = None  # inclusive
    since: datetime | None = None  # finished then or later; aware
    until: datetime | None = None  # finished before; aware
    limit: int | None = None  # the newest so many

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise ValueError(f"limit is {self.limit}")
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
VIEW = table("results", *(column(name) for name in COLUMNS))


def find(database: Database, wanted: Filter) -> list[ResultRow]:
    """The results that fit, newest first: by the time they were finished, then by id.

    Raises DatabaseUnavailable.
    """
    with database.reading() as connection:
        return [_row(*values) for values in connection.execute(query(wanted))]


def query(wanted: Filter) -> Select[Any]:
    """The statement that `find` runs."""
    rows = select(VIEW).where(*_conditions(wanted))
    return rows.order_by(VIEW.c.finished_at.desc(), VIEW.c.id.desc()).limit(wanted.limit)


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    of = VIEW.c
    if wanted.id is not None:
        yield of.id == wanted.id
    if wanted.name is not None:
        yield (of.path if "/" in wanted.name else of.name) == wanted.name
    if wanted.model is not None:
        yield of.model == wanted.model
    if wanted.label is not None:
        yield of.label == wanted.label
    if wanted.group is not None:
        yield in_group(of.grp, wanted.group)
    if wanted.state is not None:
        yield of.state == wanted.state.value
    if wanted.min_score is not None:
        yield of.score >= wanted.min_score
    if wanted.max_score is not None:
        yield of.score <= wanted.max_score
    if wanted.since is not None:
        yield of.finished_at >= utc_text(wanted.since)
    if wanted.until is not None:
        yield of.finished_at < utc_text(wanted.until)


def in_group(grp: SQLColumnExpression[Any], group: str) -> ColumnElement[bool]:
    """The group or below it, as a range: LIKE ignores case in SQLite, and would use no index."""
    group = group.rstrip("/")
    if not group:
        return grp == ""
    after = chr(ord("/") + 1)
    return or_(grp == group, (grp >= f"{group}/") & (grp < f"{group}{after}"))


def _row(*values: Any) -> ResultRow:
    row = dict(zip(COLUMNS, values, strict=True))
    return ResultRow(**row | {"state": State(row["state"])})
