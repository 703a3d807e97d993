"""How a run ends that did not come to a decision: tried again, or failed with the reason."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher import locks
from watcher.errors import ModelError
from watcher.jobs.files import JobFile
from watcher.jobs.summary import tell
from watcher.models.registry import Registry
from watcher.mounts import is_network
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
                _died(home, book, run, now)
                mended.append(run)
        elif _tellable(home, run) and not _at_work(home, run):
            now_found = book.get(run.id)  # it may have ended between the two looks
            if now_found is not None and now_found.state is RunState.RUNNING:
                _died(home, book, run, now)
                mended.append(run)
    return mended


def unbegun(book: RunBook, run: Run, code: int, now: datetime) -> None:
    """Notes that a run's process ended before it could begin the run.

    What was killed is begun again a few times; else it is a failed try, as when the database is away for a moment.
    """
    tried = replace(run, tries=run.tries + 1)
    if code < 0 and tried.tries < DEATHS:
        changes = {"tries": tried.tries, "reason": "its process was killed before it could begin"}
        book.change(run.id, {RunState.QUEUED}, **changes)
    elif book.change(run.id, {RunState.QUEUED}, tries=tried.tries):
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        job = JobFile.model_validate_json(run.settings or '{"model": "none"}')
        failed(book, tried, job, f"its process could not begin ({how}): see its log", now)


def tell_of(run: Run | None) -> None:
    """Tells the job's command of a run that ended without being able to; of one that goes on, nothing."""
    if run is not None and run.state not in ACTIVE and run.settings is not None:
        tell(JobFile.model_validate_json(run.settings).when_ended, run)


def _tellable(home: Home, run: Run) -> bool:
    """Whether the lock tells if the run is at work. One on a share may not reach other machines; else a machine may
    have had another name, as a container has after every update.
    """
    return run.host == socket.gethostname() or not is_network(home.job_logs)


def _at_work(home: Home, run: Run) -> bool:
    return locks.holder(home.job_lock(run.job)) is not None


def _died(home: Home, book: RunBook, run: Run, now: datetime) -> None:
    if run.trigger is Trigger.SCHEDULE and run.tries < DEATHS:
        changes = {"state": RunState.QUEUED, "reason": "its process ended without a word; it goes on where it was"}
        book.change(run.id, {RunState.RUNNING}, **changes)
        return
    if run.candidate is not None and _live(home, run.model) == run.candidate:
        reason = f"promoted {run.model}/{run.candidate}; its process ended before it could say why"
        live = {"state": RunState.PROMOTED, "version_after": run.candidate}
        book.change(run.id, ACTIVE, reason=reason, ended_at=now, **live)
        return
    if run.trigger is Trigger.HAND:
        reason = f"its process ended without a word; `watcher jobs run {run.job}` goes on where it was"
    else:
        reason = f"its process ended {DEATHS} times without a word, perhaps for want of memory: see its log"
    book.change(run.id, ACTIVE, state=RunState.FAILED, reason=reason, ended_at=now)


def _live(home: Home, model: str) -> int | None:
    try:
        return Registry(home.models).current(model).card.version
    except ModelError:
        return None
