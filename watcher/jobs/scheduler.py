"""What the daemon does for jobs: notes what is due, begins one run after the other, and mends what has crashed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from watcher.jobs import ending
from watcher.jobs.planning import Policy, plan
from watcher.jobs.schedule import Schedule
from watcher.results.runs import RunState, Slot, Trigger, Turned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from threading import Event

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.jobs.folder import JobFolder
    from watcher.jobs.processes import Child, Processes
    from watcher.results.runbook import RunBook
    from watcher.results.runs import Run

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# A run ends itself when its time is over; one that hangs is ended so much later.
GRACE = timedelta(minutes=1)


class Scheduler:
    """The jobs of one home; `turn` does what is to be done at a moment."""

    def __init__(self, home: Home, folder: JobFolder, book: RunBook, processes: Processes) -> None:
        self._home = home
        self._folder = folder
        self._book = book
        self._processes = processes
        self._turned: dict[str, Turned] = {}

    def keep_turning(self, stop: Event, now: Callable[[], datetime], busy: Callable[[], bool]) -> None:
        """Turns until `stop`. Whatever goes wrong is logged, once, and tried again: jobs never end the daemon."""
        said = None
        while not stop.wait(LOOK_SECONDS):
            try:
                self.turn(now())
                self._processes.give_way(busy())
                said = None
            except Exception as fault:  # noqa: BLE001
                if (text := f"{type(fault).__name__}: {fault}") != said:
                    log.warning("jobs: cannot go on for now, and will try again", reason=text)
                said = text
        self._processes.stop()

    def turn(self, now: datetime) -> None:
        """Takes up changed files, notes due times, ends what has died, begins what is next."""
        for found in self._folder.look():
            for fault in found.faults:
                log.warning("jobs: a file has faults; what it said before stays in force", fault=fault)
            if found.job is not None:
                log.info("jobs: taken", job=found.name, schedule=found.job.schedule, enabled=found.job.enabled)
        for child in self._processes.ended():
            self._heard(child, now)
        for run in ending.mend(self._home, self._book, now):
            log.warning("jobs: a run's process is gone", job=run.job, run=run.id)
        active = self._book.active()
        for name, job in sorted(self._folder.jobs.items()):
            self._note_due(name, job, [run for run in active if run.job == name], now)
        self._end_overdue(active, now)
        if not self._processes.any and not any(run.state is RunState.RUNNING for run in active):
            self._begin_next(now)

    def _heard(self, child: Child, now: datetime) -> None:
        run = self._book.get(child.run.id)
        log.info("jobs: run ended", job=child.run.job, run=child.run.id, state=run.state.value if run else None)
        if (
            run is None
            or run.state is not RunState.QUEUED
            or run.tries > child.run.tries
            or child.process.returncode == 0
        ):
            return
        reason = f"its process could not begin (exit code {child.process.returncode}): see its log"
        self._book.change(run.id, {RunState.QUEUED}, state=RunState.FAILED, reason=reason, ended_at=now)

    def _note_due(self, name: str, job: JobFile, active: Sequence[Run], now: datetime) -> None:
        """Turns the schedule up to now into runs. A changed schedule counts from the moment that it is seen."""
        timing, turned = job.timing(), self._turned.get(name) or self._book.turned(name)
        wanted = (timing.expression, timing.zone.key) if timing else ("", "UTC")
        slots: tuple[Slot, ...] = ()
        before = turned
        if turned is None:
            turned = Turned(schedule=wanted[0], timezone=wanted[1], since=now)
        else:
            if turned.schedule:
                slots, until = self._due(name, job, turned, active, now)
                turned = Turned(schedule=turned.schedule, timezone=turned.timezone, since=until)
            if (turned.schedule, turned.timezone) != wanted:
                turned = Turned(schedule=wanted[0], timezone=wanted[1], since=max(now, turned.since))
        if turned != before:
            self._book.turn(name, job.model, turned, slots, now)
        self._turned[name] = turned

    def _due(
        self, name: str, job: JobFile, turned: Turned, active: Sequence[Run], now: datetime
    ) -> tuple[tuple[Slot, ...], datetime]:
        policy = Policy(catchup=job.catchup, window=job.window, shift=job.shift(name))
        planned = plan(Schedule.parse(turned.schedule, turned.timezone), policy, turned.since, now)
        overlapped = _overlap(active) if job.overlap == "skip" else None
        slots = tuple(
            Slot(scheduled_at=slot.scheduled, skipped=slot.skipped or overlapped, times=slot.times)
            for slot in planned.slots
        )
        for slot in slots:
            log.info("jobs: due", job=name, scheduled=slot.scheduled_at.isoformat(), skipped=slot.skipped)
        return slots, planned.until

    def _end_overdue(self, active: Sequence[Run], now: datetime) -> None:
        for run in active:
            job = self._folder.jobs.get(run.job)
            if run.state is not RunState.RUNNING or job is None or run.started_at is None:
                continue
            if run.tries == 1 and now - run.started_at > job.timeout + GRACE:
                ending.failed(self._book, run, job, f"it hung beyond {job.timeout}, its timeout, and was killed", now)
                self._processes.kill(run.id)

    def _begin_next(self, now: datetime) -> None:
        for run in self._book.due(now):
            if run.trigger is not Trigger.SCHEDULE:
                continue
            if run.job not in self._folder.jobs and run.settings is None:
                reason = "its job file is gone"
                self._book.change(run.id, {RunState.QUEUED}, state=RunState.SKIPPED, reason=reason, ended_at=now)
                continue
            if run.settings is None:
                settings = self._folder.jobs[run.job].model_dump_json()
                self._book.change(run.id, {RunState.QUEUED}, settings=settings)
            log.info("jobs: run begins", job=run.job, run=run.id)
            self._processes.start(run)
            return


def _overlap(active: Sequence[Run]) -> str | None:
    if not active:
        return None
    doing = "was still going on" if active[0].state is RunState.RUNNING else "still waited for its turn"
    return f"run {active[0].id} of the same job {doing}, and overlap is skip"
