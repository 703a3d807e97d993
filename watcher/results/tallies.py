"""Sums over all results, for monitoring: cheap however many pictures there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from watcher.results.records import State
from watcher.results.runs import RunState
from watcher.results.tables import JobRunRow, ModelVersionRow, ScoreCountRow

if TYPE_CHECKING:
    from watcher.results.database import Database


@dataclass(frozen=True, slots=True)
class Review:
    """Pictures that a model has classified, and how many of them need review."""

    model: str
    pictures: int
    to_review: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Runs of a job that stand where `state` says, and when the last of them ended."""

    job: str
    state: RunState
    runs: int
    last_ended: datetime | None


def reviews(database: Database) -> list[Review]:
    """By the model's name, over all of its versions. Raises DatabaseUnavailable."""
    columns = ModelVersionRow.model, func.sum(ScoreCountRow.pictures), func.sum(ScoreCountRow.to_review)
    counted = (
        select(*columns)
        .join(ModelVersionRow, ModelVersionRow.id == ScoreCountRow.model_version_id)
        .where(ScoreCountRow.state.in_([State.DONE.value, State.DUPLICATE.value]))
        .group_by(ModelVersionRow.model)
        .order_by(ModelVersionRow.model)
    )
    with database.reading() as connection:
        return [Review(model, int(pictures), int(marked)) for model, pictures, marked in connection.execute(counted)]


def outcomes(database: Database, home: str) -> list[Outcomes]:
    """By job and state, of one home. Raises DatabaseUnavailable."""
    columns = JobRunRow.job, JobRunRow.state, func.count(), func.max(JobRunRow.ended_at)
    counted = (
        select(*columns)
        .where(JobRunRow.home == home)
        .group_by(JobRunRow.job, JobRunRow.state)
        .order_by(JobRunRow.job, JobRunRow.state)
    )
    with database.reading() as connection:
        return [Outcomes(job, state, runs, ended) for job, state, runs, ended in connection.execute(counted)]
