"""Writing a batch down, inside a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, insert, select, update

from watcher.results import bulk, derived
from watcher.results.records import Finished, ModelVersion, State, Superseded
from watcher.results.tables import ImageRow, ModelVersionRow, PredictionRow, utc_text

Key = tuple[str, int, str]
UNKNOWN = "unknown"
_INSERT_IMAGE, _INSERT_PREDICTION = insert(ImageRow.__table__), insert(PredictionRow.__table__)  # type: ignore[arg-type]


def record(connection: Connection, batch: Sequence[Finished]) -> None:
    """Add what is not recorded yet. A claim already recorded stays as it is, so repeating does no harm."""
    fresh = _fresh(connection, batch)
    if not fresh:
        return
    versions = _version_ids(connection, (finished.model for finished in fresh.values()))
    images = [_image(finished, versions) for finished in fresh.values()]
    bulk.execute(connection, _INSERT_IMAGE, images)
    derived.count(connection, images)
    predictions: list[dict[str, object]] = []
    for claim, image_id in connection.execute(_claims_query(), {"claims": list(fresh)}):
        predictions += _predictions(fresh[claim], image_id, versions)
    if predictions:
        bulk.execute(connection, _INSERT_PREDICTION, predictions)


def supersede(connection: Connection, rows: Iterable[Superseded]) -> None:
    """Failed pictures that were tried again; their rows name no file any more, for it is that of the next row."""
    for row in rows:
        failed = ImageRow.id == row.id, ImageRow.state == State.FAILED
        values = {"state": State.SUPERSEDED, "reason": counts_no_more(row.reason), "original_path": None}
        connection.execute(update(ImageRow).where(*failed).values(values))


def counts_no_more(reason: str) -> ColumnElement[str]:
    """What a row says that is superseded for this `reason`; of a failed picture it stays known why it failed."""
    has_failed = and_(ImageRow.state == State.FAILED, ImageRow.reason.is_not(None))
    return case((has_failed, ImageRow.reason + f"; {reason}"), else_=reason)


def moved(connection: Connection, claim: str, original_path: str) -> None:
    """The row of a claim names another place of its original."""
    connection.execute(update(ImageRow).where(ImageRow.claim == claim).values(original_path=original_path))


def version_id(connection: Connection, version: ModelVersion) -> int | None:
    """The row of a model version; None if nothing was ever recorded of it."""
    return connection.scalar(select(ModelVersionRow.id).where(*_is(version)))


def _is(version: ModelVersion) -> tuple[ColumnElement[bool], ...]:
    return (
        ModelVersionRow.model == version.model,
        ModelVersionRow.version == version.version,
        ModelVersionRow.digest == version.digest,
    )


@cache
def _claims_query() -> Select[*tuple[Any, ...]]:
    """Which claims are recorded, and their rows; made once, for each batch asks it twice."""
    return select(ImageRow.claim, ImageRow.id).where(ImageRow.claim.in_(bindparam("claims", expanding=True)))


def _fresh(connection: Connection, batch: Sequence[Finished]) -> dict[str, Finished]:
    claims = [finished.claim for finished in batch]
    done = {claim for claim, _ in connection.execute(_claims_query(), {"claims": claims})}
    fresh: dict[str, Finished] = {}
    for finished in batch:
        if finished.claim not in done:
            fresh.setdefault(finished.claim, finished)
    return fresh


def _version_ids(connection: Connection, versions: Iterable[ModelVersion | None]) -> dict[Key, int]:
    ids: dict[Key, int] = {}
    for version in versions:
        if version is not None and version.key not in ids:
            ids[version.key] = _known_version(connection, version) or _add_version(connection, version)
    return ids


def _known_version(connection: Connection, version: ModelVersion) -> int | None:
    """After a rebuild nobody knows how a version was run; the next result by it tells."""
    found = connection.execute(select(ModelVersionRow.id, ModelVersionRow.engine).where(*_is(version))).one_or_none()
    if found is None:
        return None
    if found.engine == UNKNOWN != version.engine:
        row = ModelVersionRow.id == found.id
        connection.execute(update(ModelVersionRow).where(row).values(engine=version.engine))
    return int(found.id)


def _add_version(connection: Connection, version: ModelVersion) -> int:
    added = connection.execute(
        insert(ModelVersionRow).returning(ModelVersionRow.id),
        {
            "model": version.model,
            "version": version.version,
            "digest": version.digest,
            "engine": version.engine,
            "review_threshold": version.review_threshold,
            "created_at": version.created_at,
        },
    )
    return added.scalar_one()


def _image(finished: Finished, versions: Mapping[Key, int]) -> dict[str, object]:
    return _best(finished) | {
        "claim": finished.claim,
        "name": finished.name,
        "path": finished.path,
        "grp": finished.group,
        "sha256": finished.sha256,
        "size": finished.size,
        "width": finished.width,
        "height": finished.height,
        "model_version_id": None if finished.model is None else versions[finished.model.key],
        "state": finished.state.value,
        "reason": finished.reason,
        "received_at": utc_text(finished.received_at),
        "finished_at": utc_text(finished.finished_at),
        "outbox_path": finished.outbox_path,
        "original_path": finished.original_path,
        "kept": finished.kept,
        "attempts": finished.attempts,
    }


def _best(finished: Finished) -> dict[str, object]:
    """What stands of the predictions in the picture's own row, as `derived.BEST` would say it."""
    if finished.model is None or not finished.predictions:
        return dict.fromkeys(derived.COLUMNS)
    best, *others = finished.predictions
    score = float(best.score)
    return {
        "label": best.label,
        "score": score,
        "margin": score - float(others[0].score) if others else score,
        "needs_review": int(finished.model.doubts(score)),
    }


def _predictions(finished: Finished, image_id: int, versions: Mapping[Key, int]) -> list[dict[str, object]]:
    if finished.model is None:
        return []
    version = versions[finished.model.key]
    return [
        {
            "image_id": image_id,
            "model_version_id": version,
            "rank": rank,
            "label": prediction.label,
            "score": float(prediction.score),  # a NumPy scalar would be stored as bytes
        }
        for rank, prediction in enumerate(finished.predictions, start=1)
    ]
