"""One try of a run in a process that may be told to end: by a person, a time limit, a machine that shuts down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from watcher.errors import WatcherError
from watcher.jobs import ending
from watcher.jobs.summary import tell
from watcher.jobs.work import Bid, EndedMeanwhile, JobRunning
from watcher.results.runs import ACTIVE, Run, RunState, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import FrameType

    from watcher.jobs.files import JobFile
    from watcher.jobs.work import Work
    from watcher.results.runbook import RunBook

log = structlog.get_logger()

# Below all that somebody waits for.
NICENESS = 10
# Before a run that was kept waiting by another of its job is tried again.
PAUSE = timedelta(minutes=1)


class Told(BaseException):
    """The process was told to end. Not an Exception, so that no library takes it for a fault of its own."""


class TimedOut(Told):
    """The run took longer than its job allows."""


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
    JobRunning, after which the run is noted as skipped, unless it is a scheduled one of a job that queues. Of a run that
    somebody else has ended nobody is told again.
    """
    try:
        with _limits(job.timeout):
            work.perform(run, job, path, bid or Bid())
    except JobRunning as fault:
        if run.trigger is Trigger.SCHEDULE and job.overlap == "queue":
            book.change(run.id, {RunState.QUEUED}, not_before=now() + PAUSE)
            return _now(book, run)
        book.change(run.id, {RunState.QUEUED}, state=RunState.SKIPPED, reason=str(fault), ended_at=now())
        raise
    except EndedMeanwhile as fault:
        log.warning("nothing is changed", reason=str(fault))
        if run.pid is None:  # it was never begun, so nobody else tells of it
            tell(job.when_ended, _now(book, run))
        return _now(book, run)
    except TimedOut:
        ending.failed(book, _now(book, run), job, f"it took longer than {job.timeout}, its timeout", now())
    except (Told, KeyboardInterrupt):
        _stopped(book, _now(book, run), now())
    except (WatcherError, OSError) as fault:
        ending.failed(book, _now(book, run), job, _sentence(fault), now())
    except Exception as fault:
        log.exception("the run failed unexpectedly")
        ending.failed(book, _now(book, run), job, f"unexpected fault, {type(fault).__name__}: {fault}", now())
    ended = _now(book, run)
    if ended.state not in ACTIVE:
        tell(job.when_ended, ended)
    return ended


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


def _sentence(fault: WatcherError | OSError) -> str:
    if isinstance(fault, OSError):
        where = f"{fault.filename}: " if fault.filename else ""
        return f"{where}{fault.strerror or fault}"
    return str(fault)


@contextmanager
def _limits(timeout: timedelta) -> Iterator[None]:
    """Lets SIGTERM and the time limit interrupt the block, which must run in the main thread."""

    def end(number: int, _: FrameType | None) -> None:
        # Once is enough: what tidies up afterwards is not to be interrupted again.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise TimedOut if number == signal.SIGALRM else Told

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, timeout.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def step_back() -> None:
    """Gives way to the daemon and to people: a training has time."""
    os.nice(NICENESS)
