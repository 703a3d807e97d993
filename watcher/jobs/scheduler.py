"""What the daemon does for jobs: notes what is due, begins one run after the other, and mends what has crashed."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import structlog

from watcher.jobs import ending
from watcher.jobs.files import SUFFIX, JobFile
from watcher.jobs.planning import Policy, plan
from watcher.jobs.schedule import Schedule
from watcher.jobs.summary import LONGEST_SECONDS
from watcher.repeated import Repeated
from watcher.results.runs import RunState, Slot, Trigger, Turned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from threading import Event

    from watcher.home import Home
    from watcher.jobs.folder import JobFolder
    from watcher.jobs.processes import Child, Processes
    from watcher.results.runbook import RunBook
    from watcher.results.runs import Run

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# A run ends itself when its time is over; one that hangs is ended so much later.
GRACE = timedelta(minutes=1)
# After the end of a run its command may still be told of it.
LINGER = GRACE + timedelta(seconds=LONGEST_SECONDS)
# A clock that was ahead by more than this has been put right: what is due counts from then on.
AHEAD = timedelta(days=1)
RESTS, GONE = "the job is not enabled", "its job file is gone"


class Scheduler:
    """The jobs of one home; `turn` does what is to be done at a moment."""

    def __init__(self, home: Home, folder: JobFolder, book: RunBook, processes: Processes) -> None:
        self._home = home
        self._folder = folder
        self._book = book
        self._processes = processes
        self._turned: dict[str, Turned] = {}

    def keep_turning(
        self,
        stop: Event,
        now: Callable[[], datetime],
        busy: Callable[[], bool],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Turns until `stop`, with a `beat` each time. Whatever goes wrong is logged and tried again: jobs never end the daemon."""
        repeated, said = Repeated(), set[str]()
        while not stop.wait(LOOK_SECONDS):
            beat()
            try:
                self.turn(now())
                self._processes.give_way(busy())
                repeated.over(said, log.info, "jobs: going on")
                said.clear()
            except Exception as fault:  # noqa: BLE001
                text = f"{type(fault).__name__}: {fault}"
                said.add(text)
                repeated.say(text, log.warning, "jobs: cannot go on for now, and will try again", reason=text)
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
            self._tell_of(run.id)
        active = self._book.active()
        for name, job in sorted(self._folder.jobs.items()):
            self._note_due(name, job, [run for run in active if run.job == name], now)
        self._end_overdue(active, now)
        self._end_lingering(now)
        if not self._processes.any and not any(run.state is RunState.RUNNING for run in active):
            self._begin_next(now)

    def _heard(self, child: Child, now: datetime) -> None:
        run = self._book.get(child.run.id)
        log.info("jobs: run ended", job=child.run.job, run=child.run.id, state=run.state.value if run else None)
        code = child.process.returncode
        if run is None or run.state is not RunState.QUEUED or run.tries > child.run.tries or code == 0:
            return
        ending.unbegun(self._book, run, code, now)
        self._tell_of(run.id)

    def _tell_of(self, run: int) -> None:
        """In a thread of its own: the job's command may take its time."""
        Thread(target=ending.tell_of, args=(self._book.get(run),), name="tell", daemon=True).start()

    def _note_due(self, name: str, job: JobFile, active: Sequence[Run], now: datetime) -> None:
        """Turns the schedule up to now into runs. A changed schedule counts from the moment that it is seen."""
        timing, turned = job.timing(), self._turned.get(name) or self._book.turned(name)
        wanted = (timing.expression, timing.zone.key) if timing else ("", "UTC")
        slots: tuple[Slot, ...] = ()
        before = turned
        if turned is None or turned.since > now + AHEAD:
            if turned is not None:
                log.warning("jobs: the clock was ahead; due times count from now on", job=name, since=str(turned.since))
            turned = Turned(schedule=wanted[0], timezone=wanted[1], since=now)
        else:
            if turned.schedule:
                slots, until = self._due(name, job, turned, active, now)
                turned = Turned(schedule=turned.schedule, timezone=turned.timezone, since=until)
            if (turned.schedule, turned.timezone) != wanted:
                turned = Turned(schedule=wanted[0], timezone=wanted[1], since=max(now, turned.since))
        if turned != before:
            self._book.turn(name, job.model, turned, slots, now, job.model_dump_json())
        self._turned[name] = turned

    def _due(
        self, name: str, job: JobFile, turned: Turned, active: Sequence[Run], now: datetime
    ) -> tuple[tuple[Slot, ...], datetime]:
        policy = Policy(catchup=job.catchup, window=job.window, shift=job.shift(name))
        planned = plan(Schedule.parse(turned.schedule, turned.timezone), policy, turned.since, now)
        obstacle = None if job.enabled else RESTS
        if obstacle is None and job.overlap == "skip":
            obstacle = _overlap(active)
        slots = tuple(
            Slot(scheduled_at=slot.scheduled, skipped=slot.skipped or obstacle, times=slot.times)
            for slot in planned.slots
        )
        for slot in slots:
            log.info("jobs: due", job=name, scheduled=slot.scheduled_at.isoformat(), skipped=slot.skipped)
        return slots, planned.until

    def _end_overdue(self, active: Sequence[Run], now: datetime) -> None:
        """Ends processes of ours that do not heed their own time limit."""
        for run in active:
            seconds = self._processes.seconds(run.id)
            if run.state is not RunState.RUNNING or seconds is None or run.settings is None:
                continue
            job = JobFile.model_validate_json(run.settings)
            if seconds > (job.timeout + GRACE).total_seconds():
                ending.failed(self._book, run, job, f"it hung beyond {job.timeout}, its timeout, and was killed", now)
                self._processes.kill(run.id)
                self._tell_of(run.id)

    def _end_lingering(self, now: datetime) -> None:
        """What was cancelled ends by itself; what does not heed that is ended."""
        for number in self._processes.runs:
            run = self._book.get(number)
            if run is not None and run.ended_at is not None and now - run.ended_at > LINGER:
                self._processes.kill(number)

    def _begin_next(self, now: datetime) -> None:
        for run in self._book.due(now):
            if run.trigger is not Trigger.SCHEDULE:
                continue
            if (why := self._obstacle(run)) is not None:
                self._book.change(run.id, {RunState.QUEUED}, state=RunState.SKIPPED, reason=why, ended_at=now)
                continue
            if run.settings is None:
                self._book.change(run.id, {RunState.QUEUED}, settings=self._folder.jobs[run.job].model_dump_json())
            log.info("jobs: run begins", job=run.job, run=run.id)
            self._processes.start(run)
            return

    def _obstacle(self, run: Run) -> str | None:
        """Why a run is not to begin after all. One whose file is only faulty now goes by what it said before."""
        if (job := self._folder.jobs.get(run.job)) is not None:
            return None if job.enabled else RESTS
        gone = self._home.jobs.is_dir() and not (self._home.jobs / f"{run.job}{SUFFIX}").exists()
        return GONE if gone or run.settings is None else None


def _overlap(active: Sequence[Run]) -> str | None:
    if not active:
        return None
    doing = "was still going on" if active[0].state is RunState.RUNNING else "still waited for its turn"
    return f"run {active[0].id} of the same job {doing}, and overlap is skip"
