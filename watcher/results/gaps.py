"""What a rebuilt database still lacks, and how it is filled in from what the annotated copies say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, delete, func, insert, select, update

from watcher.results import derived
from watcher.results.database import Database
from watcher.results.lookups import chunks
from watcher.results.recording import version_id
from watcher.results.records import ModelVersion, Prediction, State
from watcher.results.tables import ImageRow, ModelVersionRow, PredictionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the row of a claim says: where its copy is, whose predictions count, whether their version is known, the best."""

    id: int
    state: State
    version_id: int | None
    version_known: bool
    best: Prediction | None
    outbox_path: str | None


def told(database: Database, claims: Iterable[str]) -> dict[str, Told]:
    """The rows that there are of these claims."""
    best = and_(
        PredictionRow.image_id == ImageRow.id,
        PredictionRow.model_version_id == ImageRow.model_version_id,
        PredictionRow.rank == 1,
    )
    columns = (
        ImageRow.claim, ImageRow.id, ImageRow.state, ImageRow.model_version_id, ModelVersionRow.id,
        ImageRow.outbox_path, PredictionRow.label, PredictionRow.score,
    )  # fmt: skip
    rows = select(*columns).outerjoin_from(ImageRow, ModelVersionRow, ModelVersionRow.id == ImageRow.model_version_id)
    found: dict[str, Told] = {}
    with database.reading() as connection:
        for some in chunks(claims):
            statement = rows.outerjoin(PredictionRow, best).where(ImageRow.claim.in_(some))
            for claim, number, state, version_id, known, copy, label, score in connection.execute(statement):
                found[claim] = Told(
                    id=number,
                    state=state,
                    version_id=version_id,
                    version_known=known is not None,
                    best=None if label is None else Prediction(label=label, score=score),
                    outbox_path=copy,
                )
    return found


def with_copies(database: Database, copies: Iterable[str]) -> dict[str, Told]:
    """The rows that say that their copies are these, by that."""
    with database.reading() as connection:
        named = [
            claim
            for some in chunks(copies)
            for claim in connection.scalars(select(ImageRow.claim).where(ImageRow.outbox_path.in_(some)))
        ]
    return {row.outbox_path: row for row in told(database, named).values() if row.outbox_path}


def give_claim(database: Database, image: int, claim: str) -> None:
    """Corrects the claim of a row, which is that of its copy."""
    with database.writing() as connection:
        connection.execute(update(ImageRow).where(ImageRow.id == image).values(claim=claim))


def newest_version(database: Database, model: str, version: int) -> ModelVersion | None:
    """A version of a model that has made results, as it was noted last."""
    columns = (
        ModelVersionRow.model, ModelVersionRow.version, ModelVersionRow.digest, ModelVersionRow.engine,
        ModelVersionRow.review_threshold, ModelVersionRow.created_at,
    )  # fmt: skip
    wanted = select(*columns).where(ModelVersionRow.model == model, ModelVersionRow.version == version)
    with database.reading() as connection:
        row = connection.execute(wanted.order_by(ModelVersionRow.id.desc()).limit(1)).one_or_none()
    return None if row is None else ModelVersion(**row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)


def make_known(database: Database, number: int, version: ModelVersion) -> int:
    """Notes a version under the number that rows give it; if it has another already, they are given that. The number."""
    values = {
        "id": number, "model": version.model, "version": version.version, "digest": version.digest,
        "engine": version.engine, "review_threshold": version.review_threshold, "created_at": version.created_at,
    }  # fmt: skip
    with database.writing() as connection:
        found = version_id(connection, version)
        if found is None:
            connection.execute(insert(ModelVersionRow), values)
            derived.of_version(connection, number)
            return number
        for table in (ImageRow, PredictionRow):
            of_number = update(table).where(table.model_version_id == number)
            connection.execute(of_number.values(model_version_id=found))
        derived.of_version(connection, found)
        return found


def say_best(database: Database, image: int, version: int, best: Prediction) -> None:
    """Writes down the best label of a row."""
    with database.writing() as connection:
        of = PredictionRow.image_id == image, PredictionRow.model_version_id == version
        values = {"label": best.label, "score": best.score}
        if not connection.execute(update(PredictionRow).where(*of, PredictionRow.rank == 1).values(values)).rowcount:
            keys = {"image_id": image, "model_version_id": version, "rank": 1}
            connection.execute(insert(PredictionRow), keys | values)
        derived.of_image(connection, image)


def close(database: Database) -> int:
    """Takes back what points to versions that nobody knows; how many pictures are left without their labels."""
    known = select(ModelVersionRow.id)
    with database.writing() as connection:
        connection.execute(delete(PredictionRow).where(PredictionRow.model_version_id.not_in(known)))
        unknown = ImageRow.model_version_id.is_not(None), ImageRow.model_version_id.not_in(known)
        nothing = dict.fromkeys(("model_version_id", *derived.COLUMNS))
        connection.execute(update(ImageRow).where(*unknown).values(nothing))
        without = (
            select(func.count())
            .select_from(ImageRow)
            .where(
                ImageRow.state.in_([State.DONE, State.DUPLICATE]),
                ~select(PredictionRow.image_id)
                .where(
                    PredictionRow.image_id == ImageRow.id, PredictionRow.model_version_id == ImageRow.model_version_id
                )
                .exists(),
            )
        )
        return connection.scalar(without) or 0
