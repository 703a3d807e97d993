"""Results that are to be made anew: which they are, and what their rows say meanwhile and afterwards.

A superseded row that still names a file of its own (`original_path`, `kept`, `outbox_path`) is half done: what was
begun with it is to be ended. Once that is done the row names none, for the files are those of the next result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from watcher.results.database import Database
from watcher.results.lookups import chunks
from watcher.results.recording import counts_no_more
from watcher.results.records import State
from watcher.results.tables import ImageRow, ModelVersionRow
from watcher.results.ways import in_group

CHUNK = 500  # rows in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A version of a model that has made results; `id` is its row."""

    id: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """A result that is to be made anew, and where its files are."""

    id: int
    claim: str
    path: str
    size: int | None
    state: State
    finished_at: datetime
    outbox_path: str | None
    original_path: str | None
    kept: str | None

    @property
    def begun(self) -> bool:
        """Whether an earlier try has superseded it, and was ended before it had put the picture in line."""
        return self.state is State.SUPERSEDED


_COLUMNS = [getattr(ImageRow, field.name) for field in fields(Outdated)]


def makers(database: Database, model: str) -> list[Maker]:
    """All versions of a model that have made results, lowest first."""
    of_model = select(ModelVersionRow.id, ModelVersionRow.version).where(ModelVersionRow.model == model)
    with database.reading() as connection:
        rows = connection.execute(of_model.order_by(ModelVersionRow.version, ModelVersionRow.id))
        return [Maker(id=row.id, version=row.version) for row in rows]


def newest(database: Database) -> int:
    """The newest row there is; 0 if there is none."""
    with database.reading() as connection:
        return connection.scalar(select(func.max(ImageRow.id))) or 0


def outdated(database: Database, maker: Maker, group: str | None, until: int) -> Iterator[list[Outdated]]:
    """What a version made, in chunks, oldest first. A chunk may be changed before the next is asked for.

    Rows after `until` are left out, or what is made anew while this runs could be found again, without end.
    """
    last: Outdated | None = None
    while True:
        with database.reading() as connection:
            rows = connection.execute(query(maker, group, until, last))
            chunk = [Outdated(**row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)
        if not chunk:
            return
        yield chunk
        last = chunk[-1]


def failed(database: Database, group: str | None) -> Iterator[list[Outdated]]:
    """Failed pictures and where they are, in chunks, oldest first; with those that are on their way back already."""
    last = 0
    while True:
        rows = select(*_COLUMNS).where(
            ImageRow.id > last,
            ImageRow.model_version_id.is_(None),
            ImageRow.original_path.is_not(None),
            ImageRow.state.in_([State.FAILED, State.SUPERSEDED]),
        )
        if group is not None:
            rows = rows.where(in_group(ImageRow.grp, group))
        with database.reading() as connection:
            found = connection.execute(rows.order_by(ImageRow.id).limit(CHUNK))
            chunk = [Outdated(**row._mapping) for row in found]  # noqa: SLF001  (SQLAlchemy's public name)
        if not chunk:
            return
        yield chunk
        last = chunk[-1].id


def query(maker: Maker, group: str | None, until: int, last: Outdated | None) -> Select[*tuple[Any, ...]]:
    """The statement that `outdated` runs for the chunk after `last`: one range of one index, in its order."""
    rows = select(*_COLUMNS).where(
        ImageRow.model_version_id == maker.id,
        ImageRow.id <= until,
        or_(
            ImageRow.state.in_([State.DONE, State.DUPLICATE]),
            and_(ImageRow.state == State.SUPERSEDED, names_files()),
        ),
    )
    if group is not None:
        rows = rows.where(in_group(ImageRow.grp, group))
    if last is not None:
        later = or_(ImageRow.finished_at > last.finished_at, ImageRow.id > last.id)
        rows = rows.where(ImageRow.finished_at >= last.finished_at, later)
    return rows.order_by(ImageRow.finished_at, ImageRow.id).limit(CHUNK)


def names_files() -> ColumnElement[bool]:
    """Whether a row names a file: one that is superseded and does is half done."""
    return or_(ImageRow.original_path.is_not(None), ImageRow.kept.is_not(None), ImageRow.outbox_path.is_not(None))


def owners(database: Database, paths: Iterable[str]) -> dict[str, int]:
    """For the places of originals the newest row that names each, among pictures dropped under these paths.

    A name is given only when it is free, and the row comes before the file: so what stands there is the newest one's.
    """
    found: dict[str, int] = {}
    latest = select(ImageRow.original_path, func.max(ImageRow.id)).group_by(ImageRow.original_path)
    with database.reading() as connection:
        for chunk in chunks(paths):
            rows = latest.where(ImageRow.path.in_(chunk), ImageRow.original_path.is_not(None))
            for place, row in connection.execute(rows):
                found[place or ""] = max(row, found.get(place or "", 0))
    return found


def supersede(database: Database, rows: Sequence[Outdated], reason: str) -> None:
    """Says of rows that their results count no more. Their files stay named: they are still where they were."""
    _change(database, [row.id for row in rows if not row.begun], state=State.SUPERSEDED, reason=counts_no_more(reason))


def let_go(database: Database, rows: Sequence[Outdated]) -> None:
    """Ends what `supersede` began: the rows name no files any more, and an original that was kept is a new arrival."""
    _change(database, [row.id for row in rows], original_path=None, kept=None, outbox_path=None)


def _change(database: Database, ids: Sequence[int], **values: Any) -> None:
    if ids:
        with database.writing() as connection:
            connection.execute(update(ImageRow).where(ImageRow.id.in_(ids)).values(values))
