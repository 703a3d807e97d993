"""The best label stands in the picture's own row, and counts are kept as rows come and change.

So what people ask is one range of one index or a sum over few rows, however many pictures there are. Whoever adds
pictures adds to the counts, for a batch at once: a trigger would do it for each picture, which takes as long again as
all the rest (`derived.py`). Changes are few, and triggers count them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# What each table counts by: its columns, and how they come out of a row of images.
VERSION = "coalesce({row}.model_version_id, 0)"
LABEL = "coalesce({row}.label, '')"
STEP = """CASE WHEN {row}.score IS NULL THEN -1 WHEN {row}.score >= 1 THEN 19 WHEN {row}.score < 0 THEN 0
 ELSE CAST({floor} AS INTEGER) END"""
COUNTS = {
    "counts_by_group": {
        "grp": "{row}.grp",
        "model_version_id": VERSION,
        "state": "{row}.state",
        "label": LABEL,
    },
    "counts_by_hour": {
        "hour": "substr({row}.finished_at, 1, 13)",
        "grp": "{row}.grp",
        "model_version_id": VERSION,
        "state": "{row}.state",
        "label": LABEL,
    },
    "counts_by_score": {"model_version_id": VERSION, "state": "{row}.state", "label": LABEL, "step": STEP},
}
DECIDING = ("grp", "model_version_id", "state", "label", "score", "needs_review", "finished_at")

BEST = """
UPDATE images SET (label, score, margin, needs_review) = (
    SELECT best.label, best.score, best.score - coalesce(second.score, 0),
           CASE WHEN best.score < m.review_threshold THEN 1 ELSE 0 END
    FROM predictions AS best
    LEFT JOIN model_versions AS m ON m.id = best.model_version_id
    LEFT JOIN predictions AS second
           ON second.image_id = best.image_id AND second.model_version_id = best.model_version_id AND second.rank = 2
    WHERE best.image_id = images.id AND best.model_version_id = images.model_version_id AND best.rank = 1)
WHERE model_version_id IS NOT NULL
"""

RESULTS = """
CREATE VIEW results AS
SELECT i.id, i.name, i.path, i.grp, i.sha256, i.width, i.height,
       m.model, m.version AS model_version,
       i.label, i.score, i.margin, i.needs_review,
       i.state, i.reason, i.received_at, i.finished_at, i.outbox_path
FROM images AS i
LEFT JOIN model_versions AS m ON m.id = i.model_version_id
"""
LABELS_BY_GROUP = """
CREATE VIEW labels_by_group AS
SELECT c.grp, m.model, m.version AS model_version, c.state, nullif(c.label, '') AS label, c.pictures, c.to_review
FROM counts_by_group AS c
LEFT JOIN model_versions AS m ON m.id = c.model_version_id
WHERE c.pictures > 0
"""
LABELS_BY_HOUR = """
CREATE VIEW labels_by_hour AS
SELECT c.hour, c.grp, m.model, m.version AS model_version, c.state, nullif(c.label, '') AS label,
       c.pictures, c.to_review
FROM counts_by_hour AS c
LEFT JOIN model_versions AS m ON m.id = c.model_version_id
WHERE c.pictures > 0
"""
LABELS_BY_SCORE = """
CREATE VIEW labels_by_score AS
SELECT m.model, m.version AS model_version, c.state, c.label,
       c.step / 20.0 AS score_from, (c.step + 1) / 20.0 AS score_to, c.pictures, c.to_review
FROM counts_by_score AS c
JOIN model_versions AS m ON m.id = c.model_version_id
WHERE c.pictures > 0 AND c.step >= 0
"""
CHANGED_LABELS = """
CREATE VIEW changed_labels AS
SELECT later.id, later.name, later.path, later.grp, after.model,
       before.version AS version_before, earlier.label AS label_before, earlier.score AS score_before,
       after.version AS version_after, later.label AS label_after, later.score AS score_after,
       later.finished_at
FROM images AS earlier
JOIN model_versions AS before ON before.id = earlier.model_version_id
JOIN images AS later
  ON later.sha256 = earlier.sha256 AND later.path = earlier.path AND later.id > earlier.id
 AND later.state IN ('done', 'duplicate') AND later.label <> earlier.label
JOIN model_versions AS after ON after.id = later.model_version_id AND after.model = before.model
WHERE earlier.state = 'superseded'
"""


def upgrade() -> None:
    op.execute("DROP VIEW results")
    for name, kind in (("label", sa.Text()), ("score", sa.Double()), ("margin", sa.Double())):
        op.add_column("images", sa.Column(name, kind, comment=COMMENTS[name]))
    op.add_column("images", sa.Column("needs_review", sa.Integer(), comment=COMMENTS["needs_review"]))
    op.execute(BEST)
    _indexes()
    _tables()
    for table, keys in COUNTS.items():
        op.execute(_counted(table, keys))
    (_postgresql if _on_postgresql() else _sqlite)()
    for view in (RESULTS, LABELS_BY_GROUP, LABELS_BY_HOUR, LABELS_BY_SCORE, CHANGED_LABELS):
        op.execute(view)


COMMENTS = {
    "label": "the best, by the version that counts",
    "score": "of the label",
    "margin": "score less that of the second label",
    "needs_review": "1: the score is below the version's threshold",
}


def _on_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _indexes() -> None:
    op.create_index("ix_images_grp_finished_at", "images", ["grp", "finished_at"])
    op.drop_index("ix_images_grp", "images")
    op.create_index("ix_images_label_finished_at", "images", ["label", "finished_at"])
    op.create_index("ix_images_score", "images", ["score"])
    for column in ("finished_at", "margin"):
        columns = f"needs_review, {column}"  # the first tells SQLite, which has no statistics, that few are meant
        op.execute(f"CREATE INDEX ix_images_review_{column} ON images ({columns}) WHERE needs_review = 1")
    # A camera that gives every picture the same name fills ix_images_path with them; few of them have failed.
    op.execute("CREATE INDEX ix_images_failed_path ON images (state, path) WHERE state = 'failed'")
    op.drop_index("ix_predictions_label_rank", "predictions")  # the best stands with the picture now


def _tables() -> None:
    group = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    kinds: dict[str, tuple[Any, str]] = {
        "grp": (group, "as in images"),
        "hour": (sa.String(13), "in which they were finished; UTC"),
        "model_version_id": (sa.Integer(), "as in images; 0: none"),
        "state": (sa.String(16), "as in images"),
        "label": (sa.Text(), "as in images; empty: none"),
        "step": (sa.Integer(), "of the score, a twentieth each; -1: none"),
    }
    for table, keys in COUNTS.items():
        columns: list[Any] = [sa.Column(key, kinds[key][0], nullable=False, comment=kinds[key][1]) for key in keys]
        op.create_table(
            table,
            *columns,
            sa.Column("pictures", sa.BigInteger(), nullable=False),
            sa.Column("to_review", sa.BigInteger(), nullable=False, comment="of these, those that need review"),
            sa.PrimaryKeyConstraint(*keys, name=f"pk_{table}"),
            comment="How many pictures there are",
            sqlite_with_rowid=False,
        )


def _of(keys: dict[str, str], row: str) -> str:
    floor = f"floor({row}.score * 20)" if _on_postgresql() else f"{row}.score * 20"
    return ", ".join(key.format(row=row, floor=floor) for key in keys.values())


def _counted(table: str, keys: dict[str, str]) -> str:
    """What there is already."""
    places = ", ".join(str(number) for number in range(1, len(keys) + 1))
    return (
        f"INSERT INTO {table} SELECT {_of(keys, 'images')}, count(*), coalesce(sum(needs_review), 0)"  # noqa: S608
        f" FROM images GROUP BY {places}"
    )


def _count(row: str, by: str) -> str:
    """The statements that add a row to the counts, or take it off them."""
    return "".join(
        f"INSERT INTO {table} VALUES ({_of(keys, row)}, {by}, {by} * coalesce({row}.needs_review, 0))\n"  # noqa: S608
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET pictures = {table}.pictures + excluded.pictures,"
        f" to_review = {table}.to_review + excluded.to_review;\n"
        for table, keys in COUNTS.items()
    )


def _sqlite() -> None:
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in DECIDING)
    add, take = _count("NEW", "1"), _count("OLD", "-1")
    triggers = {
        "images_changed": f"AFTER UPDATE OF {', '.join(DECIDING)} ON images WHEN {changed} BEGIN\n{take}{add}END",
        "images_deleted": f"AFTER DELETE ON images BEGIN\n{take}END",
    }
    for name, does in triggers.items():
        op.execute(f"CREATE TRIGGER {name} {does}")


def _postgresql() -> None:
    op.execute(
        "CREATE FUNCTION count_image(image images, n integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN\n"
        f"{_count('image', 'n')}END $$"
    )
    op.execute(
        "CREATE FUNCTION image_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
        "PERFORM count_image(OLD, -1);\n"
        "IF TG_OP = 'UPDATE' THEN PERFORM count_image(NEW, 1); END IF;\n"
        "RETURN NULL; END $$"
    )
    old, new = (", ".join(f"{row}.{column}" for column in DECIDING) for row in ("OLD", "NEW"))
    each = "FOR EACH ROW"
    op.execute(f"CREATE TRIGGER images_deleted AFTER DELETE ON images {each} EXECUTE FUNCTION image_counted()")
    op.execute(
        f"CREATE TRIGGER images_changed AFTER UPDATE ON images {each}"
        f" WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION image_counted()"
    )
