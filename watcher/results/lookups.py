"""What the daemon asks of the results while it works; what people ask is in queries.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Integer, Select, and_, bindparam, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from watcher.chunks import in_chunks
from watcher.results.recording import version_id
from watcher.results.records import FailedBefore, Known, ModelVersion, Prediction, Recorded, State
from watcher.results.tables import ImageRow, PredictionRow, ScoreCountRow

Value = TypeVar("Value", str, int)

CHUNK = 500  # values in one IN (…); databases limit them


def recorded(connection: Connection, claims: Iterable[str]) -> dict[str, Recorded]:
    """The claims among these that are recorded."""
    columns = ImageRow.claim, ImageRow.state, ImageRow.original_path, ImageRow.outbox_path, ImageRow.kept, ImageRow.grp
    return {
        claim: Recorded(state=state, original_path=original, outbox_path=outbox, kept=kept, group=group)
        for chunk in chunks(claims)
        for claim, state, original, outbox, kept, group in connection.execute(
            select(*columns).where(ImageRow.claim.in_(chunk))
        )
    }


def classified(connection: Connection, sha256s: Iterable[str], model: ModelVersion) -> dict[str, Known]:
    """The contents among these that this very version has classified, by the first picture of each."""
    version = version_id(connection, model)
    if version is None:
        return {}
    known: dict[str, Known] = {}
    for chunk in chunks(sha256s):
        known.update(_classified(connection, chunk, version))
    return known


def failed(connection: Connection, sha256s: Iterable[str]) -> list[FailedBefore]:
    """Pictures of these contents that failed, and were put where they could be found again."""
    return _failed(connection, _failed_query(ImageRow.sha256), sha256s)


def failed_as(connection: Connection, paths: Iterable[str]) -> list[FailedBefore]:
    """Pictures dropped under these paths that failed, and were put where they could be found again."""
    return _failed(connection, _failed_query(ImageRow.path), paths)


def _failed(connection: Connection, query: Select[*tuple[Any, ...]], values: Iterable[str]) -> list[FailedBefore]:
    return [
        FailedBefore(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
        for chunk in chunks(values)
        for row in connection.execute(query, {"values": chunk})
    ]


@cache
def _failed_query(column: InstrumentedAttribute[Any]) -> Select[*tuple[Any, ...]]:
    """One range of the column's index for each of the `values`."""
    columns = [getattr(ImageRow, field.name) for field in fields(FailedBefore)]
    return select(*columns).where(
        column.in_(bindparam("values", expanding=True)),
        ImageRow.model_version_id.is_(None),
        ImageRow.state == literal_column("'failed'"),  # as the index of failed pictures says it
        ImageRow.original_path.is_not(None),
    )


def kept(connection: Connection, paths: Iterable[str]) -> dict[str, set[str]]:
    """Fingerprints of the originals that stay in the inbox, by path; a path can have held several."""
    found: dict[str, set[str]] = {}
    for chunk in chunks(paths):
        rows = select(ImageRow.path, ImageRow.kept).where(ImageRow.path.in_(chunk))
        for path, fingerprint in connection.execute(rows.where(ImageRow.kept.is_not(None))):
            found.setdefault(path, set()).add(fingerprint or "")
    return found


def counts(connection: Connection) -> dict[State, int]:
    """How many pictures are in each state; every state is there. The counts are summed up, not the pictures."""
    numbers = dict.fromkeys(State, 0)
    state, pictures = ScoreCountRow.state, func.sum(ScoreCountRow.pictures)
    for found, number in connection.execute(select(state, pictures).group_by(state)):
        numbers[State(found)] = int(number)
    return numbers


def _classified(connection: Connection, sha256s: list[str], version: int) -> Iterator[tuple[str, Known]]:
    rows = connection.execute(_classified_query(), {"contents": sha256s, "version": version})
    for (sha256, name, path), ranked in groupby(rows, key=lambda row: (row[0], row[1], row[2])):
        predictions = tuple(Prediction(label=row.label, score=row.score) for row in ranked)
        yield sha256 or "", Known(predictions=predictions, name=name, path=path)


@cache
def _classified_query() -> Select[*tuple[Any, ...]]:
    """Made once: to put such a statement together takes longer than to run it."""
    version = bindparam("version", type_=Integer)
    first = (
        select(func.min(ImageRow.id).label("id"))
        .where(
            ImageRow.sha256.in_(bindparam("contents", expanding=True)),
            ImageRow.model_version_id == version,
            ImageRow.state.in_([State.DONE, State.DUPLICATE]),
        )
        .group_by(ImageRow.sha256)
        .subquery()
    )
    of_version = and_(PredictionRow.image_id == ImageRow.id, PredictionRow.model_version_id == version)
    return (
        select(ImageRow.sha256, ImageRow.name, ImageRow.path, PredictionRow.label, PredictionRow.score)
        .join(first, first.c.id == ImageRow.id)
        .join(PredictionRow, of_version)
        .order_by(ImageRow.id, PredictionRow.rank)
    )


def chunks(values: Iterable[Value]) -> Iterator[list[Value]]:
    """The values, each once, as many at a time as one statement takes."""
    return in_chunks(dict.fromkeys(values), CHUNK)
