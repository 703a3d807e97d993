"""Summing up by group and label: counts, and shares with their intervals, from the counts that the database keeps.

States that count are `done` and `duplicate`: each picture once, by the result that stands. What is superseded has, or
will have, a row of its own. Stretches of time are made of whole hours, and of the pictures of the hours that they cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, union_all

from watcher.results.database import Database
from watcher.results.records import State, check_aware
from watcher.results.tables import GroupCountRow, HourCountRow, ImageRow, ModelVersionRow, utc_text
from watcher.results.ways import in_group

Z = 1.959964  # of the normal distribution, for 95 %
COUNTED = (State.DONE.value, State.DUPLICATE.value)
SIZE = 2000  # rows in memory at a time
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is summed up. ValueError for a naive time."""

    group: str | None = None  # with its sub-groups, each by itself; "" for the pictures in no group
    model: str | None = None
    label: str | None = None  # only its share; a group that has none of it is 0
    since: datetime | None = None
    until: datetime | None = None
    total: bool = False  # all groups as one

    def __post_init__(self) -> None:
        check_aware(self.since, self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How often a model gave a label in a group. Failed pictures have neither: a line of their own counts them, once."""

    grp: str | None  # None: all groups
    model: str | None
    label: str | None
    pictures: int
    total: int  # of the group, by this model
    share: float | None  # pictures / total
    share_low: float | None  # Wilson's interval
    share_high: float | None
    needs_review: int  # of the pictures
    failed: int  # of the group, in the line without model and label; 0 in the others


@dataclass(slots=True)
class _Group:
    """Pictures and those to be reviewed, by model and label; failed ones have neither."""

    labels: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    failed: int = 0

    def add(self, model: str | None, state: str, label: str, pictures: int, to_review: int) -> None:
        if state == State.FAILED:
            self.failed += pictures
        elif state in COUNTED and model is not None:
            labels = self.labels.setdefault(model, {})
            before = labels.get(label, (0, 0))
            labels[label] = before[0] + pictures, before[1] + to_review


def report(database: Database, scope: Scope, positives: Mapping[str, str] | None = None) -> Iterator[Line]:
    """The lines, by group, model and how frequent the label is; all of one moment.

    `positives` names, for models of two labels, the one that is asked for, such as the illness: it comes first, and is
    there, with 0, where no picture has it. Raises DatabaseUnavailable.
    """
    with database.reading() as connection:
        models = {row.id: row.model for row in connection.execute(select(ModelVersionRow.id, ModelVersionRow.model))}
        with connection.execution_options(yield_per=SIZE).execute(statement(scope, models)) as rows:
            for grp, found in groupby(rows, key=itemgetter(0)):
                group = _Group()
                for _, version, state, label, pictures, to_review in found:
                    group.add(models.get(version), state, label, int(pictures), int(to_review))
                yield from _lines(grp, group, scope.label, positives or {})


def statement(scope: Scope, models: Mapping[int, str]) -> Select[*tuple[Any, ...]]:
    """The statement that `report` runs: a sum over counts. Failed pictures have no model, so they are always there."""
    wanted = [number for number, name in models.items() if scope.model in {None, name}]
    versions = None if scope.model is None else [0, *wanted]
    if not scope.total and scope.since is scope.until is None:  # in the order of its key already
        return _counted(GroupCountRow, scope, versions, GroupCountRow.pictures > 0).order_by(GroupCountRow.grp)
    parts = union_all(*_parts(scope, versions)).subquery()
    of = parts.c
    grp: Any = literal(None).label("grp") if scope.total else of.grp
    keys = [of.model_version_id, of.state, of.label] if scope.total else [grp, of.model_version_id, of.state, of.label]
    sums = func.sum(of.pictures).label("pictures"), func.sum(of.to_review).label("to_review")
    columns = grp, of.model_version_id, of.state, of.label, *sums
    return select(*columns).group_by(*keys).having(func.sum(of.pictures) > 0).order_by(*keys)


def wilson(count: int, total: int) -> tuple[float, float]:
    """Wilson's score interval of 95 % for the share count / total, the pictures being independent of each other.

    With p = count / total and z = 1.96: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n), n = total.
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22 (1927)
    209-212, https://doi.org/10.2307/2276774. Raises ZeroDivisionError for no pictures.
    """
    share, z2 = count / total, Z**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    # Whatever rounding does: no picture of a label is a share from 0, all of it one up to 1.
    return (max(0.0, middle - half) if count else 0.0), (min(1.0, middle + half) if count < total else 1.0)


def _lines(grp: str | None, group: _Group, label: str | None, positives: Mapping[str, str]) -> Iterator[Line]:
    for model, labels in sorted(group.labels.items()):
        total = sum(pictures for pictures, _ in labels.values())
        for name in _in_order(labels, positives.get(model)) if label is None else [label]:
            pictures, to_review = labels.get(name, (0, 0))
            low, high = wilson(pictures, total)
            yield Line(
                grp=grp, model=model, label=name or None, pictures=pictures, total=total, share=pictures / total,
                share_low=low, share_high=high, needs_review=to_review, failed=0,
            )  # fmt: skip
    if group.failed:
        yield Line(
            grp=grp, model=None, label=None, pictures=0, total=0, share=None, share_low=None, share_high=None,
            needs_review=0, failed=group.failed,
        )  # fmt: skip


def _in_order(labels: Mapping[str, tuple[int, int]], positive: str | None) -> Iterable[str]:
    """The positive label, then the most frequent."""
    first = [] if positive is None else [positive]
    return dict.fromkeys([*first, *sorted(labels, key=lambda name: (-labels[name][0], name))])


def _parts(scope: Scope, versions: list[int] | None) -> Iterator[Select[*tuple[Any, ...]]]:
    if scope.since is scope.until is None:
        yield _counted(GroupCountRow, scope, versions)
        return
    since = scope.since or datetime.min.replace(tzinfo=UTC)
    until = scope.until or datetime.max.replace(tzinfo=UTC)
    first, last = _next_hour(since), _hour(until)
    if first >= last:  # not one whole hour
        yield _pictures(scope, versions, since, until)
        return
    yield _counted(HourCountRow, scope, versions, HourCountRow.hour >= _text(first), HourCountRow.hour < _text(last))
    if since < first:
        yield _pictures(scope, versions, since, first)
    if last < until and scope.until is not None:
        yield _pictures(scope, versions, last, until)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _next_hour(moment: datetime) -> datetime:
    hour = _hour(moment)
    return hour if hour == moment else hour + HOUR


def _text(hour: datetime) -> str:
    return utc_text(hour)[:13]


def _counted(
    table: type[GroupCountRow | HourCountRow], scope: Scope, versions: list[int] | None, *also: ColumnElement[bool]
) -> Select[*tuple[Any, ...]]:
    columns = table.grp, table.model_version_id, table.state, table.label, table.pictures, table.to_review
    return select(*columns).where(*also, *_conditions(table, scope, versions))


def _pictures(scope: Scope, versions: list[int] | None, since: datetime, until: datetime) -> Select[*tuple[Any, ...]]:
    """The pictures of a part of an hour, each counted by itself."""
    columns: dict[str, Any] = {
        "grp": ImageRow.grp,
        "model_version_id": func.coalesce(ImageRow.model_version_id, 0),
        "state": func.coalesce(ImageRow.state, None),  # as plain text
        "label": func.coalesce(ImageRow.label, ""),
        "pictures": literal(1),
        "to_review": func.coalesce(ImageRow.needs_review, 0),
    }
    when = ImageRow.finished_at >= since, ImageRow.finished_at < until
    return select(*(column.label(name) for name, column in columns.items())).where(
        *when, *_conditions(ImageRow, scope, versions)
    )


def _conditions(table: Any, scope: Scope, versions: list[int] | None) -> Iterator[ColumnElement[bool]]:
    if scope.group is not None:
        yield in_group(table.grp, scope.group)
    if versions is not None:
        yield func.coalesce(table.model_version_id, 0).in_(versions)
