"""The book of runs: what each job has done and will do, so that no due time is lost or doubled over a restart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from watcher.results.database import Database
from watcher.results.runs import Run, RunState, Slot, Trigger, Turned
from watcher.results.tables import JobRunRow, JobScheduleRow

_COLUMNS = [getattr(JobRunRow, field.name) for field in fields(Run)]


class RunBook:
    """The tables `job_schedules` and `job_runs`. Every method is one transaction; raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def turned(self, job: str) -> Turned | None:
        """How far the job's schedule has been turned into runs; None for a job that is new."""
        with self.database.reading() as connection:
            columns = JobScheduleRow.schedule, JobScheduleRow.timezone, JobScheduleRow.since
            row = connection.execute(select(*columns).where(JobScheduleRow.job == job)).one_or_none()
        return Turned(schedule=row.schedule, timezone=row.timezone, since=row.since) if row else None

    def turn(self, job: str, model: str, turned: Turned, slots: Sequence[Slot], now: datetime) -> None:
        """Notes runs for due times, to be done or skipped, together with how far the schedule is turned now.

        A due time that has a run already keeps it: a schedule that was changed there and back doubles nothing.
        """
        with self.database.writing() as connection:
            due = [slot.scheduled_at for slot in slots]
            known = set(
                connection.scalars(
                    select(JobRunRow.scheduled_at).where(JobRunRow.job == job, JobRunRow.scheduled_at.in_(due))
                )
            )
            rows = [_slot(job, model, slot, now) for slot in slots if slot.scheduled_at not in known]
            if rows:
                connection.execute(insert(JobRunRow), rows)
            values = {"schedule": turned.schedule, "timezone": turned.timezone, "since": turned.since}
            if not connection.execute(update(JobScheduleRow).where(JobScheduleRow.job == job).values(values)).rowcount:
                connection.execute(insert(JobScheduleRow), {"job": job, **values})

    def add(self, job: str, model: str, now: datetime) -> Run:
        """A run that a person asked for."""
        with self.database.writing() as connection:
            row = _row(job, model, Trigger.HAND, RunState.QUEUED, now)
            number = connection.execute(insert(JobRunRow).returning(JobRunRow.id), row).scalar_one()
        found = self.get(number)
        assert found is not None
        return found

    def change(self, run: int, states: Collection[RunState], **values: Any) -> bool:
        """Sets columns of a run if it is in one of `states`; whether it was. So two cannot begin, or end, the same run."""
        statement = update(JobRunRow).where(JobRunRow.id == run, JobRunRow.state.in_(states)).values(values)
        with self.database.writing() as connection:
            return bool(connection.execute(statement).rowcount)

    def get(self, run: int) -> Run | None:
        found = self._find(JobRunRow.id == run)
        return found[0] if found else None

    def active(self) -> list[Run]:
        """What is queued or running, oldest first."""
        return self._find(JobRunRow.state.in_([RunState.QUEUED, RunState.RUNNING]))

    def due(self, now: datetime) -> list[Run]:
        """What is queued and may begin, oldest first."""
        waits = or_(JobRunRow.not_before.is_(None), JobRunRow.not_before <= now)
        return self._find(JobRunRow.state == RunState.QUEUED, waits)

    def history(self, job: str | None = None, limit: int | None = None) -> list[Run]:
        """The runs of a job, or of all, newest first."""
        conditions = [] if job is None else [JobRunRow.job == job]
        statement = select(*_COLUMNS).where(*conditions).order_by(JobRunRow.id.desc()).limit(limit)
        with self.database.reading() as connection:
            return [Run(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001  (SQLAlchemy's public name)

    def last(self, job: str) -> Run | None:
        """The newest run that was not skipped."""
        newest = select(*_COLUMNS).where(JobRunRow.job == job, JobRunRow.state != RunState.SKIPPED)
        with self.database.reading() as connection:
            row = connection.execute(newest.order_by(JobRunRow.id.desc()).limit(1)).one_or_none()
        return Run(**row._mapping) if row else None  # noqa: SLF001

    def _find(self, *conditions: Any) -> list[Run]:
        statement = select(*_COLUMNS).where(*conditions).order_by(JobRunRow.id)
        with self.database.reading() as connection:
            return [Run(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001


def _slot(job: str, model: str, slot: Slot, now: datetime) -> dict[str, Any]:
    state = RunState.QUEUED if slot.skipped is None else RunState.SKIPPED
    ended = None if slot.skipped is None else now
    return _row(job, model, Trigger.SCHEDULE, state, now) | {
        "scheduled_at": slot.scheduled_at,
        "reason": slot.skipped,
        "times": slot.times,
        "ended_at": ended,
    }


def _row(job: str, model: str, trigger: Trigger, state: RunState, now: datetime) -> dict[str, Any]:
    return {
        "job": job,
        "model": model,
        "trigger": trigger,
        "state": state,
        "reason": None,
        "scheduled_at": None,
        "times": 1,
        "created_at": now,
        "ended_at": None,
        "tries": 0,
    }
