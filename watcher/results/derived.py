"""What the database keeps beside its truth, so that questions over millions of pictures are quick.

The truth is in images and predictions. Derived from it are the best label of a picture, in its own row, and counts.
Whoever changes predictions brings the former up to date by `BEST`. Who adds pictures adds them to the counts by `count`,
in the same transaction and for the whole batch at once; what is changed or deleted later, triggers count (migration
0005). A trigger for each new picture made recording a batch of 32 take twice as long; this adds a few rows to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from watcher.results import bulk

# Columns of images that stand in no other's place: what reads rows out of a damaged file leaves them out.
COLUMNS = ("label", "score", "margin", "needs_review")
STEPS = 20  # of the score
KEYS = {
    "counts_by_group": ("grp", "model_version_id", "state", "label"),
    "counts_by_hour": ("hour", "grp", "model_version_id", "state", "label"),
    "counts_by_score": ("model_version_id", "state", "label", "step"),
}
BEST = """
UPDATE images SET (label, score, margin, needs_review) = (
    SELECT best.label, best.score, best.score - coalesce(second.score, 0),
           CASE WHEN best.score < m.review_threshold THEN 1 ELSE 0 END
    FROM predictions AS best
    LEFT JOIN model_versions AS m ON m.id = best.model_version_id
    LEFT JOIN predictions AS second
           ON second.image_id = best.image_id AND second.model_version_id = best.model_version_id AND second.rank = 2
    WHERE best.image_id = images.id AND best.model_version_id = images.model_version_id AND best.rank = 1)
"""
_EACH = """
SELECT grp, substr(finished_at, 1, 13) AS hour, coalesce(model_version_id, 0) AS model_version_id, state,
       coalesce(label, '') AS label,
       CASE WHEN score IS NULL THEN -1 WHEN score >= 1 THEN 19 WHEN score < 0 THEN 0
            ELSE CAST(score * 20 AS INTEGER) END AS step,
       coalesce(needs_review, 0) AS needs_review
FROM images
"""


def of_image(connection: Connection, image: int) -> None:
    """Brings the best label of one picture up to date."""
    connection.execute(text(f"{BEST} WHERE images.id = :image"), {"image": image})


def of_version(connection: Connection, version: int) -> None:
    """Brings the best labels of all pictures up to date that a version has classified."""
    connection.execute(text(f"{BEST} WHERE images.model_version_id = :version"), {"version": version})


def count(connection: Connection, images: Iterable[Mapping[str, Any]]) -> None:
    """Adds new pictures, given as they are stored, to the counts."""
    counts: dict[str, dict[tuple[Any, ...], list[int]]] = {table: defaultdict(lambda: [0, 0]) for table in KEYS}
    for image in images:
        of = (image["model_version_id"] or 0, image["state"], image["label"] or "")
        keys = (
            (image["grp"], *of),
            (image["finished_at"][:13], image["grp"], *of),
            (*of, _step(image["score"])),
        )
        for table, key in zip(KEYS, keys, strict=True):
            sums = counts[table][key]
            sums[0] += 1
            sums[1] += image["needs_review"] or 0
    for table, rows in counts.items():
        # In one order, so that two who write at once cannot wait for each other.
        values = [dict(zip(_columns(table), (*key, *rows[key]), strict=True)) for key in sorted(rows)]
        bulk.execute(connection, _ADD[table], values)


def recount() -> str:
    """A script for SQLite that makes the counts anew."""
    return "".join(
        f"DELETE FROM {table};\nINSERT INTO {table} SELECT {', '.join(keys)}, count(*), sum(needs_review) FROM ({_EACH})"  # noqa: S608
        f" GROUP BY {', '.join(keys)};\n"
        for table, keys in KEYS.items()
    )


def _step(score: float | None) -> int:
    return -1 if score is None else max(0, min(STEPS - 1, int(score * STEPS)))


def _columns(table: str) -> tuple[str, ...]:
    return (*KEYS[table], "pictures", "to_review")


def _add(table: str) -> str:
    names = _columns(table)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608
        f" ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET pictures = {table}.pictures + excluded.pictures,"
        f" to_review = {table}.to_review + excluded.to_review"
    )


_ADD = {table: text(_add(table)) for table in KEYS}
