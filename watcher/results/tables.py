"""The tables as they are now. How a database gets there is in migrations/; a test holds the two equal."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Dialect,
    Double,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from watcher.results.records import State
from watcher.results.runs import RunState, Trigger

# The newest migration, so that a reader can tell without importing Alembic. A test holds it to that.
SCHEMA = "0003"


def utc_text(moment: datetime) -> str:
    """Fixed width, so that it sorts as text, and the same in every database. `moment` must be aware."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class UtcText(TypeDecorator[datetime]):
    """A time as text like 2026-11-23T02:15:09.123456Z: one form for people, pandas and every database."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def _words(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        str: Text(),
        float: Double(),
        datetime: UtcText(),
        State: _words(State, "state"),
        RunState: _words(RunState, "run_state"),
        Trigger: _words(Trigger, "trigger"),
    }


class ModelVersionRow(Base):
    """A version of a model that has made results."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model", "version", "digest"), {"comment": "What made the results"})

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(comment="of the model package's content")
    engine: Mapped[str] = mapped_column(comment="how it was run when first seen")
    review_threshold: Mapped[float | None] = mapped_column(comment="a best score below it needs review")
    created_at: Mapped[datetime | None] = mapped_column(comment="when the package was made; UTC")


class ImageRow(Base):
    """One arrival of a picture; the same file dropped twice is two."""

    __tablename__ = "images"
    __table_args__: Any = (
        Index(None, "state", "finished_at"),  # counts; --state, newest first
        Index(None, "finished_at"),  # --since, --until, and newest first
        Index(None, "sha256", "model_version_id", "state"),  # content already classified
        Index(None, "model_version_id", "finished_at"),  # --model; which version was used when
        {"comment": "One row per arrival"},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="for people")
    claim: Mapped[str] = mapped_column(unique=True, comment="id of the arrival, given once")
    name: Mapped[str] = mapped_column(index=True)
    path: Mapped[str] = mapped_column(index=True, comment="relative to the inbox")
    # Bytewise order, as in SQLite, so that a group and its sub-groups are one range of the index.
    grp: Mapped[str] = mapped_column(
        Text().with_variant(Text(collation="C"), "postgresql"), index=True, comment="sub-folder, or empty"
    )
    sha256: Mapped[str | None] = mapped_column(comment="of the file's bytes")
    size: Mapped[int | None] = mapped_column(BigInteger, comment="bytes")
    width: Mapped[int | None] = mapped_column(comment="pixels")
    height: Mapped[int | None] = mapped_column(comment="pixels")
    model_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id"), comment="whose predictions count"
    )
    state: Mapped[State]
    reason: Mapped[str | None] = mapped_column(comment="why it failed")
    received_at: Mapped[datetime] = mapped_column(comment="when it was claimed; UTC")
    finished_at: Mapped[datetime] = mapped_column(comment="when its result was known; UTC")
    outbox_path: Mapped[str | None] = mapped_column(comment="annotated copy; relative to the home if inside")
    original_path: Mapped[str | None] = mapped_column(comment="original; relative to the home if inside")
    kept: Mapped[str | None] = mapped_column(comment="inode:size:mtime_ns of an original left in the inbox")
    attempts: Mapped[int]


class PredictionRow(Base):
    """One of the best labels of a picture by a version of a model."""

    __tablename__ = "predictions"
    __table_args__: Any = (
        Index(None, "label", "rank"),  # --label
        {"comment": "The best labels of each picture"},
    )

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True, comment="from 1, the best")
    label: Mapped[str]
    score: Mapped[float] = mapped_column(comment="calibrated probability")


class JobScheduleRow(Base):
    """How far a job's schedule has been turned into runs."""

    __tablename__ = "job_schedules"
    __table_args__ = ({"comment": "How far each job's schedule has been turned into runs"},)

    home: Mapped[str] = mapped_column(primary_key=True, comment="whose job it is: a home has an id of its own")
    job: Mapped[str] = mapped_column(primary_key=True, comment="name of the job file without .toml")
    schedule: Mapped[str] = mapped_column(comment="as the job file said then")
    timezone: Mapped[str]
    since: Mapped[datetime] = mapped_column(comment="due times up to this one have a row in job_runs; UTC")


class JobRunRow(Base):
    """One execution of a job, or why there was none."""

    __tablename__ = "job_runs"
    __table_args__: Any = (
        UniqueConstraint("home", "job", "scheduled_at"),  # a due time has one run, whatever crashes
        Index(None, "state"),
        {"comment": "One row per run of a job, also of those that were skipped"},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="for people")
    home: Mapped[str] = mapped_column(comment="whose run it is: a home has an id of its own")
    job: Mapped[str] = mapped_column(comment="name of the job file without .toml")
    model: Mapped[str]
    trigger: Mapped[Trigger]
    state: Mapped[RunState]
    reason: Mapped[str | None] = mapped_column(comment="the decision, or why it was skipped or failed, in a sentence")
    scheduled_at: Mapped[datetime | None] = mapped_column(comment="when it was due; UTC; null: run by hand")
    times: Mapped[int] = mapped_column(comment="due times that a skipped row stands for")
    created_at: Mapped[datetime] = mapped_column(comment="when the row was made; UTC")
    not_before: Mapped[datetime | None] = mapped_column(comment="when it is tried again; UTC")
    started_at: Mapped[datetime | None] = mapped_column(comment="of the first try; UTC")
    ended_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    tries: Mapped[int]
    version_before: Mapped[int | None] = mapped_column(comment="live version of the model at the start")
    candidate: Mapped[int | None] = mapped_column(comment="version that the run has made")
    version_after: Mapped[int | None] = mapped_column(comment="live version of the model at the end")
    settings: Mapped[str | None] = mapped_column(comment="the job file as it was; JSON")
    metrics: Mapped[str | None] = mapped_column(comment="the candidate's figures; JSON")
    report_path: Mapped[str | None] = mapped_column(comment="relative to the home if inside")
    log_path: Mapped[str | None] = mapped_column(comment="relative to the home if inside")
    host: Mapped[str | None] = mapped_column(comment="where it runs, or ran last")
    pid: Mapped[int | None] = mapped_column(comment="its process there")
