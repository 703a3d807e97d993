"""Which version of a model made the results at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from watcher.results.database import Database
from watcher.results.records import check_aware
from watcher.results.tables import ImageRow, ModelVersionRow, utc_text


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedVersion:
    """A version of a model and the pictures that it classified; times are UTC in ISO 8601."""

    model: str
    version: int
    digest: str
    classified_at: str  # its last picture by the time that was asked for
    first_used_at: str
    last_used_at: str


COLUMNS = tuple(field.name for field in fields(UsedVersion))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The version that was classifying; several only where they finished pictures at the same microsecond."""

    versions: tuple[UsedVersion, ...]
    first_used_at: str | None
    """When the first picture of any version was finished."""


def used_at(database: Database, model: str, moment: datetime) -> Usage:
    """Whose was the last picture of the model that was finished at `moment` or before.

    Raises ValueError for a naive time, and DatabaseUnavailable.
    """
    check_aware(moment)
    with database.reading() as connection:
        rows = [row for row in connection.execute(query(model, moment)) if row.first_used_at]
    last = max((row.classified_at for row in rows if row.classified_at), default=None)
    return Usage(
        versions=tuple(
            UsedVersion(**{name: _text(value) for name, value in zip(COLUMNS, row, strict=True)})
            for row in rows
            if last is not None and row.classified_at == last
        ),
        first_used_at=min((utc_text(row.first_used_at) for row in rows), default=None),
    )


def query(model: str, moment: datetime) -> Select[*tuple[Any, ...]]:
    """The statement that `used_at` runs: for each version of the model three looks into one index."""
    mine = ImageRow.model_version_id == ModelVersionRow.id
    by_then = ImageRow.finished_at <= moment
    last, first = func.max(ImageRow.finished_at), func.min(ImageRow.finished_at)
    return (
        select(
            ModelVersionRow.model,
            ModelVersionRow.version,
            ModelVersionRow.digest,
            select(last).where(mine, by_then).scalar_subquery().label("classified_at"),
            select(first).where(mine).scalar_subquery().label("first_used_at"),
            select(last).where(mine).scalar_subquery().label("last_used_at"),
        )
        .where(ModelVersionRow.model == model)
        .order_by(ModelVersionRow.version, ModelVersionRow.id)
    )


def _text(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value
