"""How a run ends that did not come to a decision: tried again, or failed with the reason."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher import locks
from watcher.jobs.files import JobFile
from watcher.results.runs import ACTIVE, Run, RunState, Trigger

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.home import Home
    from watcher.results.runbook import RunBook

# A process that ends without a word is begun again so often: a crash of the machine is no fault of the job, but
# a training that needs more memory than there is would be ended for ever.
DEATHS = 3
# What a person has begun by hand begins at once.
STALE = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(days=1)


def failed(book: RunBook, run: Run, job: JobFile, reason: str, now: datetime) -> None:
    """Notes why a try failed, and when the next one is, if there is one."""
    if run.trigger is Trigger.SCHEDULE and run.tries <= job.retries:
        wait = min(job.retry_wait * 2 ** max(0, run.tries - 1), _LONGEST_WAIT)
        again = {"state": RunState.QUEUED, "not_before": now + wait}
        book.change(run.id, ACTIVE, reason=f"try {run.tries} failed: {reason}", **again)
    else:
        book.change(run.id, ACTIVE, state=RunState.FAILED, reason=reason, ended_at=now)


def interrupted(book: RunBook, run: Run) -> None:
    """Puts a run that was asked to end back into the queue; that was no failed try."""
    changes = {"state": RunState.QUEUED, "tries": max(0, run.tries - 1), "reason": "interrupted; it goes on from there"}
    book.change(run.id, {RunState.RUNNING}, **changes)


def mend(home: Home, book: RunBook, now: datetime) -> list[Run]:
    """Ends, or puts back into the queue, runs whose process is gone: killed, or the machine was. Gives them as they were.

    A run holds its job's lock from before it is noted as running until after it is noted as ended.
    """
    mended = []
    for run in book.active():
        if run.state is RunState.QUEUED:
            if run.trigger is Trigger.HAND and now - run.created_at > STALE and not _at_work(home, run):
                _died(book, run, now)
                mended.append(run)
        elif run.host == socket.gethostname() and not _at_work(home, run):
            now_found = book.get(run.id)  # it may have ended between the two looks
            if now_found is not None and now_found.state is RunState.RUNNING:
                _died(book, run, now)
                mended.append(run)
    return mended


def _at_work(home: Home, run: Run) -> bool:
    return locks.holder(home.job_lock(run.job)) is not None


def _died(book: RunBook, run: Run, now: datetime) -> None:
    if run.trigger is Trigger.SCHEDULE and run.tries < DEATHS:
        changes = {"state": RunState.QUEUED, "reason": "its process ended without a word; it goes on where it was"}
        book.change(run.id, {RunState.RUNNING}, **changes)
        return
    if run.trigger is Trigger.HAND:
        reason = f"its process ended without a word; `watcher jobs run {run.job}` goes on where it was"
    else:
        reason = f"its process ended {DEATHS} times without a word, perhaps for want of memory: see its log"
    book.change(run.id, ACTIVE, state=RunState.FAILED, reason=reason, ended_at=now)
