"""Files that people took out of done/ and outbox/ for good: which of them are known to be gone, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import and_, delete, func, insert, or_, select

from watcher.chunks import in_chunks
from watcher.results.database import Database
from watcher.results.lookups import CHUNK, chunks
from watcher.results.records import Part, check_aware
from watcher.results.tables import TakenOutRow

RANGE = 100  # pairs in one condition

Piece = tuple[int, Part]


def accepted(database: Database, rows: Iterable[int]) -> set[Piece]:
    """What is known to be gone of these rows of `images`."""
    with database.reading() as connection:
        return {
            (row, part)
            for some in chunks(rows)
            for row, part in connection.execute(
                select(TakenOutRow.image_id, TakenOutRow.part).where(TakenOutRow.image_id.in_(some))
            )
        }


def accept(database: Database, pieces: Iterable[Piece], now: datetime) -> None:
    """Writes down that these are gone, and that somebody knows it; what is written down already stays as it is."""
    check_aware(now)
    wanted = set(pieces)
    wanted -= accepted(database, (row for row, _ in wanted))
    rows = [{"image_id": row, "part": part, "accepted_at": now} for row, part in sorted(wanted)]
    if rows:
        with database.writing() as connection:
            connection.execute(insert(TakenOutRow), rows)


def forget(database: Database, pieces: Iterable[Piece]) -> None:
    """They are there again: should they go once more, that is news."""
    for some in in_chunks(sorted(set(pieces)), RANGE):
        each = [and_(TakenOutRow.image_id == row, TakenOutRow.part == part) for row, part in some]
        with database.writing() as connection:
            connection.execute(delete(TakenOutRow).where(or_(*each)))


def everything(database: Database) -> Iterator[list[Piece]]:
    """All that is known to be gone, in chunks, by row. It may be changed between two chunks."""
    last = 0
    while True:
        with database.reading() as connection:
            ids = select(TakenOutRow.image_id).where(TakenOutRow.image_id > last).distinct()
            rows = list(connection.scalars(ids.order_by(TakenOutRow.image_id).limit(CHUNK)))
        if not rows:
            return
        yield sorted(accepted(database, rows))
        last = rows[-1]


def days(database: Database) -> dict[str, int]:
    """How many files were accepted as gone, by the day (UTC) of that, oldest first."""
    found: dict[str, int] = {}
    by_moment = select(TakenOutRow.accepted_at, func.count()).group_by(TakenOutRow.accepted_at)
    with database.reading() as connection:
        for moment, number in connection.execute(by_moment.order_by(TakenOutRow.accepted_at)):
            day = moment.date().isoformat()
            found[day] = found.get(day, 0) + number
    return found
