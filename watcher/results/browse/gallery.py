"""A page of the gallery: pictures in order, and how many there are of each label, model, state and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from watcher.results import ways
from watcher.results.browse.asked import DOUBTFUL, Asked
from watcher.results.queries import COLUMNS, Filter, ResultRow
from watcher.results.records import State
from watcher.results.tables import GroupCountRow, ModelVersionRow, ScoreCountRow

SIZE = 48  # pictures of a page: whole rows of two, three, four or six
SHOWN = 12  # values that are offered at once
MOST = 500  # values that are offered at all
STEP = 0.05  # of the scores that are counted


@dataclass(frozen=True, slots=True)
class Page:
    """Pictures, and whether there are others before and after them."""

    pictures: Sequence[ResultRow]
    before: bool
    after: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The values that a column has in pictures that fit all else, each with their number."""

    name: str
    title: str
    values: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Gallery:
    """All that the gallery shows."""

    page: Page
    facets: Sequence[Facet]
    pictures: int | None  # that fit, if that is known
    to_review: int
    any: bool  # picture at all


def gallery(connection: Connection, asked: Asked, after: int | None, before: int | None) -> Gallery:
    """The pictures after or before one, or the first ones."""
    pictures, to_review = _count(connection, asked)
    return Gallery(
        page=page(connection, asked, after, before),
        facets=[
            Facet("label", "Label", _values(connection, asked, "label")),
            Facet("model", "Model", _models(connection, asked)),
            Facet("state", "State", _values(connection, asked, "state")),
            Facet("group", "Group", _values(connection, asked, "group")),
        ],
        pictures=(to_review if asked.review else pictures) if asked.countable else None,
        to_review=to_review,
        any=connection.scalar(select(ScoreCountRow.step).where(ScoreCountRow.pictures > 0).limit(1)) is not None,
    )


def page(connection: Connection, asked: Asked, after: int | None, before: int | None) -> Page:
    wanted = replace(_wanted(connection, asked), limit=SIZE + 1)
    if before is None:
        found = rows(connection, replace(wanted, after=after))
        return Page(found[:SIZE], before=after is not None, after=len(found) > SIZE)
    found = rows(connection, replace(wanted, after=before, descending=not wanted.descending))
    return Page(found[:SIZE][::-1], before=len(found) > SIZE, after=True)


def neighbours(connection: Connection, asked: Asked, image: int) -> tuple[int | None, int | None]:
    """The pictures before and after one, among those that fit."""
    wanted = replace(_wanted(connection, asked), limit=1, after=image)
    earlier = rows(connection, replace(wanted, descending=not wanted.descending))
    later = rows(connection, wanted)
    return (earlier[0].id if earlier else None), (later[0].id if later else None)


def rows(connection: Connection, wanted: Filter) -> list[ResultRow]:
    found = connection.execute(ways.statement(connection, wanted, COLUMNS))
    return [ResultRow(**dict(row._mapping) | {"state": State(row.state)}) for row in found]  # noqa: SLF001  (its public name)


def _wanted(connection: Connection, asked: Asked) -> Filter:
    """The filter; in the order of doubt it begins where there are scores of such pictures, as the counts tell."""
    wanted = asked.filter()
    if asked.order != DOUBTFUL:
        return wanted
    step = select(func.min(ScoreCountRow.step)).where(
        ScoreCountRow.pictures > 0, ScoreCountRow.step >= 0, *_conditions(ScoreCountRow, asked, but="group")
    )
    least = STEP * (connection.scalar(step) or 0) - 1e-9  # what is counted there may be a rounding below it
    return replace(wanted, min_score=max(0.0, least, wanted.min_score or 0.0))


def _count(connection: Connection, asked: Asked) -> tuple[int, int]:
    """How many pictures fit but for their scores and times, and how many of those need review."""
    table = _table(asked)
    sums = select(func.sum(table.pictures), func.sum(table.to_review)).where(*_conditions(table, asked))
    pictures, to_review = connection.execute(sums).one()
    return int(pictures or 0), int(to_review or 0)


def _values(connection: Connection, asked: Asked, name: str) -> list[tuple[str, int]]:
    """The values of a column, the most frequent first."""
    table: Any = GroupCountRow if name == "group" else _table(asked)
    column = table.grp if name == "group" else getattr(table, name)
    return _sums(connection, asked, table, column, _conditions(table, asked, but=name))


def _models(connection: Connection, asked: Asked) -> list[tuple[str, int]]:
    table = _table(asked)
    conditions = [table.model_version_id == ModelVersionRow.id, *_conditions(table, asked, but="model")]
    return _sums(connection, asked, table, ModelVersionRow.model, conditions)


def _sums(
    connection: Connection, asked: Asked, table: Any, column: Any, conditions: Sequence[ColumnElement[bool]]
) -> list[tuple[str, int]]:
    number = func.sum(table.to_review if asked.review else table.pictures)
    found = select(column, number).where(*conditions, column != "").group_by(column).having(number > 0)
    return [(value, int(many)) for value, many in connection.execute(found.order_by(number.desc(), column).limit(MOST))]


def _table(asked: Asked) -> Any:
    """The smaller of the counts, unless groups matter."""
    return GroupCountRow if asked.group else ScoreCountRow


def _conditions(table: Any, asked: Asked, but: str = "") -> list[ColumnElement[bool]]:
    """What of the filter the counts know."""
    found: list[ColumnElement[bool]] = []
    if asked.model and but != "model":
        versions = select(ModelVersionRow.id).where(ModelVersionRow.model == asked.model)
        found.append(table.model_version_id.in_(versions))
    if asked.label and but != "label":
        found.append(table.label == asked.label)
    if asked.state and but != "state":
        found.append(table.state == asked.state)
    if asked.group and but != "group" and table is GroupCountRow:
        found.append(ways.in_group(table.grp, asked.group))
    return found
