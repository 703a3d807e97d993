"""The book of runs: what each job has done and will do, so that no due time is lost or doubled over a restart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from watcher.results.database import Database
from watcher.results.runs import ACTIVE, Run, RunState, Slot, Trigger, Turned
from watcher.results.tables import JobRunRow, JobScheduleRow

_COLUMNS = [getattr(JobRunRow, field.name) for field in fields(Run)]


class RunBook:
    """What the tables `job_schedules` and `job_runs` hold of one home, for several may share a database.

    Every method is one transaction; raises DatabaseUnavailable.
    """

    def __init__(self, database: Database, home: str) -> None:
        self.database = database
        self._home = home

    def turned(self, job: str) -> Turned | None:
        """How far the job's schedule has been turned into runs; None for a job that is new."""
        with self.database.reading() as connection:
            columns = JobScheduleRow.schedule, JobScheduleRow.timezone, JobScheduleRow.since
            row = connection.execute(select(*columns).where(*self._schedule(job))).one_or_none()
        return Turned(schedule=row.schedule, timezone=row.timezone, since=row.since) if row else None

    def turn(
        self, job: str, model: str, turned: Turned, slots: Sequence[Slot], now: datetime, settings: str | None = None
    ) -> None:
        """Notes runs for due times, to be done or skipped, together with how far the schedule is turned now.

        `settings` is the job as it is now, by which the runs go whatever becomes of its file.

        A due time that has a run already keeps it: a schedule that was changed there and back doubles nothing.
        """
        with self.database.writing() as connection:
            due = [slot.scheduled_at for slot in slots]
            known = set(
                connection.scalars(
                    select(JobRunRow.scheduled_at).where(
                        JobRunRow.home == self._home, JobRunRow.job == job, JobRunRow.scheduled_at.in_(due)
                    )
                )
            )
            rows = [self._slot(job, model, slot, settings, now) for slot in slots if slot.scheduled_at not in known]
            if rows:
                connection.execute(insert(JobRunRow), rows)
            values = {"schedule": turned.schedule, "timezone": turned.timezone, "since": turned.since}
            if not connection.execute(update(JobScheduleRow).where(*self._schedule(job)).values(values)).rowcount:
                connection.execute(insert(JobScheduleRow), {"home": self._home, "job": job, **values})

    def add(self, job: str, model: str, now: datetime) -> Run:
        """A run that a person asked for."""
        with self.database.writing() as connection:
            row = self._row(job, model, Trigger.HAND, RunState.QUEUED, now)
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
        return next(iter(self._find(JobRunRow.id == run)), None)

    def active(self) -> list[Run]:
        """What is queued or running, oldest first."""
        return self._find(JobRunRow.state.in_(ACTIVE))

    def due(self, now: datetime) -> list[Run]:
        """What is queued and may begin, oldest first."""
        waits = or_(JobRunRow.not_before.is_(None), JobRunRow.not_before <= now)
        return self._find(JobRunRow.state == RunState.QUEUED, waits)

    def history(self, job: str | None = None, limit: int | None = None) -> list[Run]:
        """The runs of a job, or of all, newest first."""
        return self._find(*([] if job is None else [JobRunRow.job == job]), newest=True, limit=limit)

    def last(self, job: str) -> Run | None:
        """The newest run that was not skipped."""
        ran = JobRunRow.job == job, JobRunRow.state != RunState.SKIPPED
        return next(iter(self._find(*ran, newest=True, limit=1)), None)

    def _find(self, *conditions: Any, newest: bool = False, limit: int | None = None) -> list[Run]:
        order = JobRunRow.id.desc() if newest else JobRunRow.id
        statement = select(*_COLUMNS).where(JobRunRow.home == self._home, *conditions).order_by(order).limit(limit)
        with self.database.reading() as connection:
            return [Run(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001  (SQLAlchemy's public name)

    def _schedule(self, job: str) -> tuple[Any, ...]:
        return JobScheduleRow.home == self._home, JobScheduleRow.job == job

    def _slot(self, job: str, model: str, slot: Slot, settings: str | None, now: datetime) -> dict[str, Any]:
        runs = slot.skipped is None
        return self._row(job, model, Trigger.SCHEDULE, RunState.QUEUED if runs else RunState.SKIPPED, now) | {
            "scheduled_at": slot.scheduled_at,
            "reason": slot.skipped,
            "times": slot.times,
            "ended_at": None if runs else now,
            "settings": settings if runs else None,
        }

    def _row(self, job: str, model: str, trigger: Trigger, state: RunState, now: datetime) -> dict[str, Any]:
        return {
            "home": self._home,
            "job": job,
            "model": model,
            "trigger": trigger,
            "state": state,
            "reason": None,
            "scheduled_at": None,
            "times": 1,
            "created_at": now,
            "ended_at": None,
            "settings": None,
            "tries": 0,
        }
