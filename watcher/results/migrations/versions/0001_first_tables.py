"""Images, their predictions, the model versions that made them, and the view `results`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.String(27)

# Joined on keys only, so that a condition on any side is answered by that side's index.
RESULTS = """
CREATE VIEW results AS
SELECT i.id, i.name, i.path, i.grp, i.sha256, i.width, i.height,
       m.model, m.version AS model_version,
       best.label, best.score,
       best.score - coalesce(runner_up.score, 0) AS margin,
       CASE WHEN best.score IS NULL THEN NULL
            WHEN best.score < m.review_threshold THEN 1
            ELSE 0 END AS needs_review,
       i.state, i.reason, i.received_at, i.finished_at, i.outbox_path
FROM images AS i
LEFT JOIN model_versions AS m ON m.id = i.model_version_id
LEFT JOIN predictions AS best
       ON best.image_id = i.id AND best.model_version_id = i.model_version_id AND best.rank = 1
LEFT JOIN predictions AS runner_up
       ON runner_up.image_id = i.id AND runner_up.model_version_id = i.model_version_id
      AND runner_up.rank = 2
"""


def upgrade() -> None:
    _model_versions()
    _images()
    _predictions()
    op.execute(RESULTS)


def _model_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the model package's content"),
        sa.Column("engine", sa.Text(), nullable=False, comment="how it was run when first seen"),
        sa.Column("review_threshold", sa.Double(), comment="a best score below it needs review"),
        sa.Column("created_at", TIME, comment="when the package was made; UTC"),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("model", "version", "digest", name="uq_model_versions_model_version_digest"),
        comment="What made the results",
    )


def _images() -> None:
    op.create_table(
        "images",
        *_image_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("claim", name="uq_images_claim"),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name="fk_images_model_version_id"),
        sa.CheckConstraint(
            "state IN ('done', 'failed', 'duplicate', 'vanished', 'superseded')", name=op.f("ck_images_state")
        ),
        comment="One row per arrival",
    )
    op.create_index("ix_images_state_finished_at", "images", ["state", "finished_at"])
    op.create_index("ix_images_finished_at", "images", ["finished_at"])
    op.create_index("ix_images_sha256_model_version_id_state", "images", ["sha256", "model_version_id", "state"])
    op.create_index("ix_images_name", "images", ["name"])
    op.create_index("ix_images_path", "images", ["path"])
    op.create_index("ix_images_grp", "images", ["grp"])
    op.create_index("ix_images_model_version_id", "images", ["model_version_id"])


def _image_columns() -> tuple[sa.Column[object], ...]:
    group = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return (
        sa.Column("id", sa.Integer(), nullable=False, comment="for people"),
        sa.Column("claim", sa.Text(), nullable=False, comment="id of the arrival, given once"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="relative to the inbox"),
        sa.Column("grp", group, nullable=False, comment="sub-folder, or empty"),
        sa.Column("sha256", sa.Text(), comment="of the file's bytes"),
        sa.Column("size", sa.BigInteger(), comment="bytes"),
        sa.Column("width", sa.Integer(), comment="pixels"),
        sa.Column("height", sa.Integer(), comment="pixels"),
        sa.Column("model_version_id", sa.Integer(), comment="whose predictions count"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), comment="why it failed"),
        sa.Column("received_at", TIME, nullable=False, comment="when it was claimed; UTC"),
        sa.Column("finished_at", TIME, nullable=False, comment="when its result was known; UTC"),
        sa.Column("outbox_path", sa.Text(), comment="annotated copy; relative to the home if inside"),
        sa.Column("original_path", sa.Text(), comment="original; relative to the home if inside"),
        sa.Column("kept", sa.Text(), comment="inode:size:mtime_ns of an original left in the inbox"),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False, comment="from 1, the best"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False, comment="calibrated probability"),
        sa.PrimaryKeyConstraint("image_id", "model_version_id", "rank", name="pk_predictions"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_predictions_image_id"),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name="fk_predictions_model_version_id"),
        comment="The best labels of each picture",
    )
    op.create_index("ix_predictions_label_rank", "predictions", ["label", "rank"])
