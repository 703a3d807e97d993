"""What is asked of the books when they are held against the disk, in chunks, and how they are put right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Exists, Select, and_, delete, exists, func, or_, select, text, update

from watcher.results.database import Database
from watcher.results.lookups import CHUNK, chunks
from watcher.results.records import Part, Prediction, State
from watcher.results.superseding import Outdated, names_files
from watcher.results.tables import ImageRow, ModelVersionRow, PredictionRow, TakenOutRow

# Alternatives in one condition that are ranges, of which SQLite takes fewer than values in a list.
RANGES = 100
COUNTED = (State.DONE, State.DUPLICATE)
_PARTS = {"outbox_path": Part.COPY, "original_path": Part.ORIGINAL}
_LOWEST, _HIGHEST = "2", "z"  # of the letters of a claim's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row as the books have it: what became of an arrival, and where its files should be."""

    id: int
    claim: str
    path: str
    sha256: str | None
    size: int | None
    state: State
    reason: str | None
    outbox_path: str | None
    original_path: str | None
    kept: str | None
    needs_review: int | None
    model_version_id: int | None
    model: str | None
    version: int | None

    @property
    def counts(self) -> bool:
        """Whether it has a result that counts, and with it a copy."""
        return self.state in COUNTED

    @property
    def begun(self) -> bool:
        """Whether it was being put in line again and was not to the end: it is superseded and still names files."""
        return self.state is State.SUPERSEDED and any((self.outbox_path, self.original_path, self.kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Two results that name one original: the older, and the newest, whose it is."""

    older: Entry
    newest: Entry


_OF_IMAGE = (
    "id",
    "claim",
    "path",
    "sha256",
    "size",
    "state",
    "reason",
    "outbox_path",
    "original_path",
    "kept",
    "needs_review",
)


def _select() -> Select[Any]:
    columns = [getattr(ImageRow, name) for name in _OF_IMAGE]
    made_by = ImageRow.model_version_id, ModelVersionRow.model, ModelVersionRow.version
    of_image = ModelVersionRow.id == ImageRow.model_version_id
    return select(*columns, *made_by).outerjoin_from(ImageRow, ModelVersionRow, of_image)


def entries(database: Database) -> Iterator[list[Entry]]:
    """All rows, in chunks, oldest first. They may be changed between two chunks."""
    return _by_and_by(database, _select())


def half_done(database: Database) -> Iterator[list[Entry]]:
    """Superseded rows that still name files, in chunks, oldest first."""
    return _by_and_by(database, _select().where(ImageRow.state == State.SUPERSEDED, names_files()))


def by_id(database: Database, ids: Iterable[int]) -> list[Entry]:
    return list(_each(database, ids, ImageRow.id.in_))


def by_claim(database: Database, claims: Iterable[str]) -> dict[str, Entry]:
    return {entry.claim: entry for entry in _each(database, claims, ImageRow.claim.in_)}


def dropped_as(database: Database, path: str, most: int) -> list[Entry]:
    """The newest rows of what was dropped under this path, or under any path that ends in this name, newest first."""
    named = ImageRow.path == path if "/" in path else ImageRow.name == path
    return _find(database, _select().where(named).order_by(ImageRow.id.desc()).limit(most))


def by_beginning_of_claim(database: Database, beginnings: Iterable[str]) -> list[Entry]:
    """Those whose claim's id begins like this: names that were taken carry a part of it."""
    found: list[Entry] = []
    once = list(dict.fromkeys(beginnings))
    for start in range(0, len(once), RANGES):
        some = once[start : start + RANGES]
        ranges = [ImageRow.claim.between(part.ljust(16, _LOWEST), part.ljust(16, _HIGHEST)) for part in some]
        found += _find(database, _select().where(or_(*ranges)))
    return found


def by_original(database: Database, originals: Iterable[tuple[str, str]]) -> list[Entry]:
    """Those that name one of the originals, each given as the path it was dropped under and the place it has now."""
    places = dict(originals)
    found: list[Entry] = []
    for some in chunks(places):
        named = ImageRow.original_path.in_([places[path] for path in some])
        found += _find(database, _select().where(ImageRow.path.in_(some), named))
    return found


def by_content(database: Database, sha256s: Iterable[str], states: Sequence[State] = COUNTED) -> list[Entry]:
    """Rows of these contents whose originals were put away, oldest first: results that count, or those of `states`."""
    return sorted(
        _each(
            database,
            sha256s,
            lambda some: and_(
                ImageRow.sha256.in_(some),
                ImageRow.state.in_(states),
                ImageRow.original_path.is_not(None),
                ImageRow.kept.is_(None),
            ),
        ),
        key=lambda entry: entry.id,
    )


def shared(database: Database, ids: Sequence[int] | None = None) -> Iterator[list[Shared]]:
    """Results that name an original which a later one names, too, in chunks; with `ids` only of these rows."""
    conditions = ImageRow.state.in_(COUNTED), ImageRow.kept.is_(None), ImageRow.original_path.is_not(None)
    newest = (
        select(ImageRow.original_path.label("place"), func.max(ImageRow.id).label("newest"))
        .where(*conditions)
        .group_by(ImageRow.original_path)
        .having(func.count() > 1)
        .subquery()
    )
    pairs = (
        select(ImageRow.id, newest.c.newest)
        .join(newest, newest.c.place == ImageRow.original_path)
        .where(*conditions, ImageRow.id < newest.c.newest)
    )
    if ids is not None:
        pairs = pairs.where(ImageRow.id.in_(ids))
    with database.reading() as connection:
        for some in connection.execution_options(yield_per=CHUNK).execute(pairs).partitions():
            found = {entry.id: entry for entry in by_id(database, (number for pair in some for number in pair))}
            yield [
                Shared(older=found[older], newest=found[newer])
                for older, newer in some
                if {older, newer} <= found.keys()
            ]


def named(database: Database, most: int) -> tuple[int, int]:
    """How many annotated copies and how many originals results name, counted up to `most`; none that was taken out."""
    copies = and_(ImageRow.outbox_path.is_not(None), ~_taken_out(Part.COPY))
    originals = and_(ImageRow.original_path.is_not(None), ImageRow.kept.is_(None), ~_taken_out(Part.ORIGINAL))
    with database.reading() as connection:
        found = [
            connection.scalar(
                select(func.count()).select_from(
                    select(ImageRow.id).where(ImageRow.state.in_(COUNTED), condition).limit(most).subquery()
                )
            )
            for condition in (copies, originals)
        ]
    return found[0] or 0, found[1] or 0


def _taken_out(part: Part) -> Exists:
    return exists().where(TakenOutRow.image_id == ImageRow.id, TakenOutRow.part == part)


def with_predictions(database: Database, ids: Iterable[int]) -> set[int]:
    """Those of the rows that have predictions by the version that counts."""
    found: set[int] = set()
    by_its_version = and_(
        PredictionRow.image_id == ImageRow.id, PredictionRow.model_version_id == ImageRow.model_version_id
    )
    with database.reading() as connection:
        for some in chunks(ids):
            rows = select(ImageRow.id).join(PredictionRow, by_its_version).where(ImageRow.id.in_(some)).distinct()
            found |= set(connection.scalars(rows))
    return found


def predictions(database: Database, entry: Entry) -> tuple[Prediction, ...]:
    """The labels of a result with their scores, best first."""
    rows = (
        select(PredictionRow.label, PredictionRow.score)
        .where(PredictionRow.image_id == entry.id, PredictionRow.model_version_id == entry.model_version_id)
        .order_by(PredictionRow.rank)
    )
    with database.reading() as connection:
        return tuple(Prediction(label=label, score=score) for label, score in connection.execute(rows))


def outdated(database: Database, ids: Sequence[int]) -> list[Outdated]:
    """Rows as those see them who supersede them."""
    columns = [getattr(ImageRow, name) for name in Outdated.__dataclass_fields__]
    with database.reading() as connection:
        rows = connection.execute(select(*columns).where(ImageRow.id.in_(ids)))
        return [Outdated(**row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)


def damage(database: Database) -> list[str]:
    """What SQLite finds wrong with the file and with what points from table to table; PostgreSQL sees to that itself."""
    with database.reading() as connection:
        if connection.dialect.name != "sqlite":
            return []
        said = [str(line) for line in connection.scalars(text("PRAGMA quick_check"))]
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    found = [] if said == ["ok"] else said
    return found + [
        f"row {row[1]} of the table {row[0]} points to a row of {row[2]} that is not there" for row in broken
    ]


def correct(database: Database, row: int, **places: str) -> None:
    """Writes down where a row's files are: so they are not taken out any more."""
    parts = [_PARTS[name] for name in places]
    with database.writing() as connection:
        connection.execute(update(ImageRow).where(ImageRow.id == row).values(places))
        connection.execute(delete(TakenOutRow).where(TakenOutRow.image_id == row, TakenOutRow.part.in_(parts)))


def _by_and_by(database: Database, rows: Select[Any]) -> Iterator[list[Entry]]:
    last = 0
    while chunk := _find(database, rows.where(ImageRow.id > last).order_by(ImageRow.id).limit(CHUNK)):
        yield chunk
        last = chunk[-1].id


def _each(database: Database, values: Iterable[Any], condition: Any) -> Iterator[Entry]:
    for some in chunks(values):
        yield from _find(database, _select().where(condition(some)))


def _find(database: Database, rows: Select[Any]) -> list[Entry]:
    with database.reading() as connection:
        return [Entry(**row._mapping) for row in connection.execute(rows)]  # noqa: SLF001  (as above)
