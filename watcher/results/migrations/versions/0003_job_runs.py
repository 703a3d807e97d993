"""The runs of jobs, and how far each job's schedule has been turned into runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.String(27)


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    _job_schedules()
    _job_runs()


def _job_schedules() -> None:
    op.create_table(
        "job_schedules",
        sa.Column("home", sa.Text(), nullable=False, comment="whose job it is: a home has an id of its own"),
        sa.Column("job", sa.Text(), nullable=False, comment="name of the job file without .toml"),
        sa.Column("schedule", sa.Text(), nullable=False, comment="as the job file said then"),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False, comment="due times up to this one have a row in job_runs; UTC"),
        sa.PrimaryKeyConstraint("home", "job", name="pk_job_schedules"),
        comment="How far each job's schedule has been turned into runs",
    )


def _job_runs() -> None:
    states = "queued", "running", "promoted", "kept", "failed", "cancelled", "skipped"
    op.create_table(
        "job_runs",
        sa.Column("id", sa.Integer(), nullable=False, comment="for people"),
        sa.Column("home", sa.Text(), nullable=False, comment="whose run it is: a home has an id of its own"),
        sa.Column("job", sa.Text(), nullable=False, comment="name of the job file without .toml"),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("trigger", _words("trigger", "schedule", "hand"), nullable=False),
        sa.Column("state", _words("run_state", *states), nullable=False),
        sa.Column("reason", sa.Text(), comment="the decision, or why it was skipped or failed, in a sentence"),
        sa.Column("scheduled_at", TIME, comment="when it was due; UTC; null: run by hand"),
        sa.Column("times", sa.Integer(), nullable=False, comment="due times that a skipped row stands for"),
        sa.Column("created_at", TIME, nullable=False, comment="when the row was made; UTC"),
        sa.Column("not_before", TIME, comment="when it is tried again; UTC"),
        sa.Column("started_at", TIME, comment="of the first try; UTC"),
        sa.Column("ended_at", TIME, comment="UTC"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("version_before", sa.Integer(), comment="live version of the model at the start"),
        sa.Column("candidate", sa.Integer(), comment="version that the run has made"),
        sa.Column("version_after", sa.Integer(), comment="live version of the model at the end"),
        sa.Column("settings", sa.Text(), comment="the job file as it was; JSON"),
        sa.Column("metrics", sa.Text(), comment="the candidate's figures; JSON"),
        sa.Column("report_path", sa.Text(), comment="relative to the home if inside"),
        sa.Column("log_path", sa.Text(), comment="relative to the home if inside"),
        sa.Column("host", sa.Text(), comment="where it runs, or ran last"),
        sa.Column("pid", sa.Integer(), comment="its process there"),
        sa.PrimaryKeyConstraint("id", name="pk_job_runs"),
        sa.UniqueConstraint("home", "job", "scheduled_at", name="uq_job_runs_home_job_scheduled_at"),
        comment="One row per run of a job, also of those that were skipped",
    )
    op.create_index("ix_job_runs_state", "job_runs", ["state"])
