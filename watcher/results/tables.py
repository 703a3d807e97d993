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
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from watcher.results.records import Part, State
from watcher.results.runs import RunState, Trigger

# The newest migration, so that a reader can tell without importing Alembic. A test holds it to that.
SCHEMA = "0005"


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


_BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")  # in the order of SQLite
_COUNTS = "How many pictures there are"
_IN_REVIEW = text("needs_review = 1")
_FAILED = text("state = 'failed'")


def _in_review(column: str) -> Index:
    """Of the pictures that need review. Its first column tells SQLite, which has no statistics, that few are meant."""
    name = f"ix_images_review_{column}"
    return Index(name, "needs_review", column, sqlite_where=_IN_REVIEW, postgresql_where=_IN_REVIEW)


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
        Part: _words(Part, "part"),
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
        # Each condition that people have, newest first; so nothing is sorted.
        Index(None, "finished_at"),
        Index(None, "grp", "finished_at"),
        Index(None, "label", "finished_at"),
        Index(None, "state", "finished_at"),
        Index(None, "model_version_id", "finished_at"),  # and which version was used when
        _in_review("finished_at"),
        _in_review("margin"),
        Index("ix_images_failed_path", "state", "path", sqlite_where=_FAILED, postgresql_where=_FAILED),
        Index(None, "score"),  # where few have it, and in its order
        Index(None, "sha256", "model_version_id", "state"),  # content already classified
        {"comment": "One row per arrival"},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="for people")
    claim: Mapped[str] = mapped_column(unique=True, comment="id of the arrival, given once")
    name: Mapped[str] = mapped_column(index=True)
    path: Mapped[str] = mapped_column(index=True, comment="relative to the inbox")
    # Bytewise order, so that a group and its sub-groups are one range of the index.
    grp: Mapped[str] = mapped_column(_BYTEWISE, comment="sub-folder, or empty")
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
    # The best prediction, once more: `derived.py` says why, and who keeps it so.
    label: Mapped[str | None] = mapped_column(comment="the best, by the version that counts")
    score: Mapped[float | None] = mapped_column(comment="of the label")
    margin: Mapped[float | None] = mapped_column(comment="score less that of the second label")
    needs_review: Mapped[int | None] = mapped_column(comment="1: the score is below the version's threshold")


class PredictionRow(Base):
    """One of the best labels of a picture by a version of a model."""

    __tablename__ = "predictions"
    __table_args__ = ({"comment": "The best labels of each picture"},)

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True, comment="from 1, the best")
    label: Mapped[str]
    score: Mapped[float] = mapped_column(comment="calibrated probability")


class GroupCountRow(Base):
    """How many pictures of a group have a label. Who keeps it, and the two that follow: `derived.py`."""

    __tablename__ = "counts_by_group"
    __table_args__: Any = ({"comment": _COUNTS, "sqlite_with_rowid": False},)

    grp: Mapped[str] = mapped_column(_BYTEWISE, primary_key=True, comment="as in images")
    model_version_id: Mapped[int] = mapped_column(primary_key=True, comment="as in images; 0: none")
    state: Mapped[str] = mapped_column(String(16), primary_key=True, comment="as in images")
    label: Mapped[str] = mapped_column(primary_key=True, comment="as in images; empty: none")
    pictures: Mapped[int] = mapped_column(BigInteger)
    to_review: Mapped[int] = mapped_column(BigInteger, comment="of these, those that need review")


class HourCountRow(Base):
    """The same for each hour, so that any stretch of time is a few rows."""

    __tablename__ = "counts_by_hour"
    __table_args__: Any = ({"comment": _COUNTS, "sqlite_with_rowid": False},)

    hour: Mapped[str] = mapped_column(String(13), primary_key=True, comment="in which they were finished; UTC")
    grp: Mapped[str] = mapped_column(_BYTEWISE, primary_key=True, comment="as in images")
    model_version_id: Mapped[int] = mapped_column(primary_key=True, comment="as in images; 0: none")
    state: Mapped[str] = mapped_column(String(16), primary_key=True, comment="as in images")
    label: Mapped[str] = mapped_column(primary_key=True, comment="as in images; empty: none")
    pictures: Mapped[int] = mapped_column(BigInteger)
    to_review: Mapped[int] = mapped_column(BigInteger, comment="of these, those that need review")


class ScoreCountRow(Base):
    """How the scores of each label are spread."""

    __tablename__ = "counts_by_score"
    __table_args__: Any = ({"comment": _COUNTS, "sqlite_with_rowid": False},)

    model_version_id: Mapped[int] = mapped_column(primary_key=True, comment="as in images; 0: none")
    state: Mapped[str] = mapped_column(String(16), primary_key=True, comment="as in images")
    label: Mapped[str] = mapped_column(primary_key=True, comment="as in images; empty: none")
    step: Mapped[int] = mapped_column(primary_key=True, comment="of the score, a twentieth each; -1: none")
    pictures: Mapped[int] = mapped_column(BigInteger)
    to_review: Mapped[int] = mapped_column(BigInteger, comment="of these, those that need review")


class TakenOutRow(Base):
    """A file that a row names and that a person took out for good."""

    __tablename__ = "taken_out"
    __table_args__ = ({"comment": "Files that people took out for good"},)

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), primary_key=True)
    part: Mapped[Part] = mapped_column(primary_key=True, comment="which of its files")
    accepted_at: Mapped[datetime] = mapped_column(comment="since when a person knows; UTC")


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
