"""One try of a run in a process that may be told to end: by a person, a time limit, a machine that shuts down."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from watcher.errors import WatcherError
from watcher.intake.names import clean
from watcher.jobs import ending
from watcher.jobs.orders import Orders
from watcher.jobs.summary import tell
from watcher.jobs.work import Bid, EndedMeanwhile, JobRunning
from watcher.results.runs import ACTIVE, Run, RunState, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from watcher.jobs.files import JobFile
    from watcher.jobs.work import Work
    from watcher.results.runbook import RunBook

log = structlog.get_logger()

# Below all that somebody waits for; of 1000, how much sooner the kernel ends it for want of memory.
NICENESS, FIRST_TO_GO = 10, 500
# Before a run that was kept waiting by another of its job is tried again.
PAUSE = timedelta(minutes=1)


def attempt(
    work: Work,
    book: RunBook,
    run: Run,
    job: JobFile,
    path: Path | None,
    now: Callable[[], datetime],
    bid: Bid | None = None,
) -> Run:
    """Performs the run and notes how it ended, whatever happens; its job's command is told of a run that is over.

    Ctrl-C and SIGTERM end a run by hand for good, and put a scheduled one back into the queue. Raises
    JobRunning, after which the run is noted as skipped, unless it is a scheduled one of a job that queues.
    """
    try:
        with work.alone(run):
            ours = _tried(work, book, run, job, path, now, bid or Bid())
    except JobRunning as fault:
        if run.trigger is Trigger.SCHEDULE and job.overlap == "queue":
            book.change(run.id, {RunState.QUEUED}, not_before=now() + PAUSE)
            return _now(book, run)
        book.change(run.id, {RunState.QUEUED}, state=RunState.SKIPPED, reason=str(fault), ended_at=now())
        raise
    ended = _now(book, run)
    # Whoever has ended it meanwhile, but for a person, has told of it.
    if ended.state not in ACTIVE and (ours or ended.state is RunState.CANCELLED):
        tell(job.when_ended, ended)
    return ended


def _tried(
    work: Work, book: RunBook, run: Run, job: JobFile, path: Path | None, now: Callable[[], datetime], bid: Bid
) -> bool:
    """Whether the run was still this process's to end."""
    orders = Orders()
    try:
        with orders.heeded(job.timeout):
            work.perform(run, job, path, bid)
    except EndedMeanwhile as fault:
        log.warning("nothing is changed", reason=str(fault))
        return False
    except BaseException as fault:
        if orders.timed_out:
            ending.failed(book, _now(book, run), job, f"it took longer than {job.timeout}, its timeout", now())
        elif orders.told or isinstance(fault, KeyboardInterrupt):
            _stopped(book, _now(book, run), now())
        elif isinstance(fault, Exception):
            ending.failed(book, _now(book, run), job, _sentence(fault), now())
        else:
            raise
    return True


def _now(book: RunBook, run: Run) -> Run:
    found = book.get(run.id)
    assert found is not None
    return found


def _stopped(book: RunBook, run: Run, now: datetime) -> None:
    if run.trigger is Trigger.SCHEDULE:
        ending.interrupted(book, run)
    else:
        reason = f"stopped by hand; `watcher jobs run {run.job}` goes on where it was"
        book.change(run.id, ACTIVE, state=RunState.CANCELLED, reason=reason, ended_at=now)


def _sentence(fault: Exception) -> str:
    """In characters that any database takes, whatever a file is called."""
    if isinstance(fault, OSError):
        where = f"{fault.filename}: " if fault.filename else ""
        return clean(f"{where}{fault.strerror or fault}")
    if isinstance(fault, WatcherError):
        return clean(str(fault))
    log.error("the run failed unexpectedly", exc_info=fault)
    return clean(f"unexpected fault, {type(fault).__name__}: {fault}")


def step_back() -> None:
    """Gives way to the daemon and to people: a training has time.

    Where the kernel shares processors out by session first, which is usual, a process that begins a session of its own
    would give way to nobody by its own niceness: the session's counts (sched(7), "The autogroup feature").
    """
    os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS))
    with contextlib.suppress(OSError):  # where memory is short, a training goes before the daemon
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
