"""Writing a batch down, inside a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, insert, select, update

from watcher.results.records import Finished, ModelVersion
from watcher.results.tables import ImageRow, ModelVersionRow, PredictionRow

Key = tuple[str, int, str]


def record(connection: Connection, batch: Sequence[Finished]) -> None:
    """Add what is not recorded yet. A claim already recorded stays as it is, so repeating does no harm."""
    fresh = _fresh(connection, batch)
    if not fresh:
        return
    versions = _version_ids(connection, (finished.model for finished in fresh.values()))
    connection.execute(insert(ImageRow), [_image(finished, versions) for finished in fresh.values()])
    predictions: list[dict[str, object]] = []
    for claim, image_id in connection.execute(select(ImageRow.claim, ImageRow.id).where(ImageRow.claim.in_(fresh))):
        predictions += _predictions(fresh[claim], image_id, versions)
    if predictions:
        connection.execute(insert(PredictionRow), predictions)


def moved(connection: Connection, claim: str, original_path: str) -> None:
    """The row of a claim names another place of its original."""
    connection.execute(update(ImageRow).where(ImageRow.claim == claim).values(original_path=original_path))


def version_id(connection: Connection, version: ModelVersion) -> int | None:
    """The row of a model version; None if nothing was ever recorded of it."""
    return connection.scalar(
        select(ModelVersionRow.id).where(
            ModelVersionRow.model == version.model,
            ModelVersionRow.version == version.version,
            ModelVersionRow.digest == version.digest,
        )
    )


def _fresh(connection: Connection, batch: Sequence[Finished]) -> dict[str, Finished]:
    claims = [finished.claim for finished in batch]
    done = set(connection.scalars(select(ImageRow.claim).where(ImageRow.claim.in_(claims))))
    fresh: dict[str, Finished] = {}
    for finished in batch:
        if finished.claim not in done:
            fresh.setdefault(finished.claim, finished)
    return fresh


def _version_ids(connection: Connection, versions: Iterable[ModelVersion | None]) -> dict[Key, int]:
    ids: dict[Key, int] = {}
    for version in versions:
        if version is not None and version.key not in ids:
            ids[version.key] = version_id(connection, version) or _add_version(connection, version)
    return ids


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
    return {
        "claim": finished.claim,
        "name": finished.name,
        "path": finished.path,
        "grp": finished.group,
        "sha256": finished.sha256,
        "size": finished.size,
        "width": finished.width,
        "height": finished.height,
        "model_version_id": None if finished.model is None else versions[finished.model.key],
        "state": finished.state,
        "reason": finished.reason,
        "received_at": finished.received_at,
        "finished_at": finished.finished_at,
        "outbox_path": finished.outbox_path,
        "original_path": finished.original_path,
        "kept": finished.kept,
        "attempts": finished.attempts,
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
