"""When a version of a model was used is answered by an index, however many pictures there are."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_images_model_version_id_finished_at", "images", ["model_version_id", "finished_at"])
    op.drop_index("ix_images_model_version_id", "images")
