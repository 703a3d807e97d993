"""Files that people took out for good are known to be gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    part = sa.Enum("copy", "original", name="part", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "taken_out",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("part", part, nullable=False, comment="which of its files"),
        sa.Column("accepted_at", sa.String(27), nullable=False, comment="since when a person knows; UTC"),
        sa.PrimaryKeyConstraint("image_id", "part", name="pk_taken_out"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_taken_out_image_id"),
        comment="Files that people took out for good",
    )
