"""The way to the pictures that a filter wants, which is quick however many others there are.

A database without statistics does not know that few pictures have failed and many are red. So each condition is asked
how many pictures it leaves, counted up to `FEW` on its index. If one leaves few, they are read and sorted. If all leave
many, they are met often, so the pictures are read in the wanted order until there are enough. A condition that allows
several values, such as the versions of a model, is one statement for each, which the database merges in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
    true,
    union_all,
)

from watcher.results.tables import GroupCountRow, ImageRow, ModelVersionRow, utc_text

if TYPE_CHECKING:
    from watcher.results.queries import Filter

FEW = 20_000  # pictures that are read and sorted in no time
ARMS = 50  # statements in one
IMAGES = table("images", *(column(found.name) for found in ImageRow.__table__.columns))
VERSIONS = table("model_versions", column("id"), column("model"), column("version"))
OF = IMAGES.c
# Columns with an index in whose order all pictures can be read: what is alike comes by id, or else by time.
BY_ID = ("id", "name", "path", "score", "finished_at")
ORDERED = (*BY_ID, "grp", "label", "state")
PAGED = (*BY_ID, "margin")  # where a picture's value and its id say what comes after it

Test = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Way:
    """A condition on a column by which to get at pictures: any of the tests, each one range of an index."""

    column: str
    tests: tuple[Test, ...]
    by_time: bool = True  # whether each range is in the order of time

    def arms(self) -> list[ColumnElement[bool]]:
        return [test(OF[self.column]) for test in self.tests]

    def beside(self, *, hidden: bool) -> ColumnElement[bool]:
        """The same as a condition on pictures that are got at in another way: SQLite must not go by its index."""
        seen = func.coalesce(OF[self.column], None) if hidden else OF[self.column]
        return or_(*(test(seen) for test in self.tests))


def statement(connection: Connection, wanted: Filter, columns: Sequence[str]) -> Any:
    """The statement that gets what is wanted, of these columns of the view `results`."""
    ways, time = list(_ways(connection, wanted)), _time(wanted)
    chosen = _choose(connection, wanted, ways, time)
    hidden = connection.dialect.name == "sqlite"
    # Where all are read in the order of a column, a condition on that says where to begin.
    others = [
        way.beside(hidden=hidden and (chosen is not None or way.column != wanted.sort))
        for way in ways
        if way is not chosen
    ]
    if time and time is not chosen:
        others.append(time.beside(hidden=hidden and chosen is not None and not chosen.by_time))
    if wanted.after is not None:
        leads = chosen is None or chosen.column == wanted.sort or _is_in_order(chosen, wanted.sort)
        others.append(_after(connection, wanted, wanted.after, hidden=hidden and not leads))
    arms = chosen.arms() if chosen else [true()]
    selects = [_select(columns, arm, *others) for arm in arms]
    merged: Any = selects[0] if len(selects) == 1 else union_all(*selects)
    of: Any = OF if len(selects) == 1 else merged.selected_columns
    return merged.order_by(*_order(wanted, of)).limit(wanted.limit)


def in_group(grp: Any, group: str) -> ColumnElement[bool]:
    """The group or below it, as a range: LIKE ignores case in SQLite, and would use no index."""
    group = group.rstrip("/")
    if not group:
        return _is("")(grp)
    after = chr(ord("/") + 1)
    return or_(grp == group, (grp >= f"{group}/") & (grp < f"{group}{after}"))


def _is(value: object) -> Test:
    return lambda found: found == value


def _between(low: object, high: object, *, to: bool) -> Test:
    """From `low` up to `high`, which is included only with `to`."""

    def test(found: Any) -> ColumnElement[bool]:
        ends = [] if low is None else [found >= low]
        ends += [] if high is None else [found <= high if to else found < high]
        return and_(*ends)

    return test


def _time(wanted: Filter) -> Way | None:
    since, until = (None if moment is None else utc_text(moment) for moment in (wanted.since, wanted.until))
    return None if since is until is None else Way("finished_at", (_between(since, until, to=False),))


def _ways(connection: Connection, wanted: Filter) -> Iterator[Way]:
    """All conditions but that on the time; what leaves fewer pictures, as a rule, comes first."""
    if wanted.id is not None:
        yield Way("id", (_is(wanted.id),), by_time=False)
    if wanted.name is not None:
        yield Way("path" if "/" in wanted.name else "name", (_is(wanted.name),), by_time=False)
    if wanted.needs_review:
        yield Way("needs_review", (_is(literal_column("1")),))
    if wanted.group is not None:
        yield _of_group(connection, wanted.group)
    if wanted.label is not None:
        yield Way("label", (_is(wanted.label),))
    if wanted.state is not None:
        yield Way("state", (_is(wanted.state.value),))
    if wanted.model is not None:
        found = select(ModelVersionRow.id).where(ModelVersionRow.model == wanted.model)
        yield Way("model_version_id", tuple(map(_is, connection.scalars(found))) or (_is(0),))
    if wanted.min_score is not None or wanted.max_score is not None:
        yield Way("score", (_between(wanted.min_score, wanted.max_score, to=True),), by_time=False)


def _of_group(connection: Connection, group: str) -> Way:
    there = select(GroupCountRow.grp).where(in_group(GroupCountRow.grp, group)).distinct().limit(ARMS + 1)
    groups = list(connection.scalars(there))
    if len(groups) > ARMS:
        return Way("grp", (partial(in_group, group=group),), by_time=False)
    return Way("grp", tuple(map(_is, groups)) or (_is(group),))


def _choose(connection: Connection, wanted: Filter, ways: Sequence[Way], time: Way | None) -> Way | None:
    """What leaves few pictures; else what leads to them in the wanted order, for then most are met early."""
    all_ways = [*ways, *([time] if time else [])]
    in_order = [way for way in all_ways if _is_in_order(way, wanted.sort)]
    if not all_ways or (len(all_ways) == 1 and in_order):
        return in_order[0] if in_order else None
    counted = [(_count(connection, way, None if way is time else time), way) for way in all_ways]
    few, fewest = min(counted, key=lambda pair: pair[0])
    if few < FEW:
        return fewest
    if in_order:
        return in_order[0]
    return None if wanted.sort in ORDERED else fewest


def _is_in_order(way: Way, sort: str) -> bool:
    if sort == "finished_at":
        return way.by_time and len(way.tests) <= ARMS
    return (sort, way.column) == ("margin", "needs_review")


def _count(connection: Connection, way: Way, time: Way | None) -> int:
    """How many pictures are there on this way, up to FEW of each arm."""
    found = 0
    also = time.arms() if time and way.by_time else []
    for arm in way.arms():
        some = select(literal_column("1")).select_from(IMAGES).where(arm, *also).limit(FEW).subquery()
        found += connection.scalar(select(func.count()).select_from(some)) or 0
        if found >= FEW:
            break
    return found


def _after(connection: Connection, wanted: Filter, image: int, *, hidden: bool) -> ColumnElement[bool]:
    """What comes after a picture; its first part is a range, which leads there where the pictures are read in order."""
    value = connection.scalar(select(OF[wanted.sort]).where(OF.id == image))
    if value is None:  # there is no such picture, or none in this order
        return false()
    of = func.coalesce(OF[wanted.sort], None) if hidden else OF[wanted.sort]
    if wanted.descending:
        return and_(of <= value, or_(of < value, OF.id < image))
    return and_(of >= value, or_(of > value, OF.id > image))


def _select(columns: Sequence[str], *conditions: ColumnElement[bool]) -> Select[Any]:
    source = IMAGES.outerjoin(VERSIONS, VERSIONS.c.id == OF.model_version_id)
    named = (_column(name).label(name) for name in columns)  # or SQLite would take `id` for either table's
    return select(*named).select_from(source).where(*conditions)


def _column(name: str) -> Any:
    of_version = {"model": VERSIONS.c.model, "model_version": VERSIONS.c.version}
    return of_version[name] if name in of_version else OF[name]


def _order(wanted: Filter, of: Any) -> Iterator[Any]:
    """By the column that is asked for; what is alike there in the order of its index."""
    more = ["id"] if wanted.sort in PAGED else ["finished_at", "id"]
    for name in dict.fromkeys([wanted.sort, *more]):
        found = _column(name) if of is OF else of[name]
        yield found.desc() if wanted.descending else found.asc()
