"""The book of runs: no due time is lost or doubled, and no run is begun or ended twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from homes import NOON

from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import ACTIVE, Run, RunState, Slot, Trigger, Turned

HOUR = timedelta(hours=1)


def turned(since: datetime, schedule: str = "@hourly") -> Turned:
    return Turned(schedule=schedule, timezone="UTC", since=since)


def queue(book: RunBook, job: str, at: datetime = NOON) -> Run:
    """A run of a scheduled job that waits for its turn."""
    book.turn(job, "m", turned(at), [Slot(scheduled_at=at)], NOON)
    return book.history(job, 1)[0]


def test_due_times_and_how_far_the_schedule_is_turned_are_noted_together(database: Database) -> None:
    """What is to run is queued; what is not has its reason."""
    book = RunBook(database, "mine")
    assert book.turned("a") is None
    slots = [Slot(scheduled_at=NOON - HOUR, skipped="missed", times=3), Slot(scheduled_at=NOON)]
    book.turn("a", "m", turned(NOON), slots, NOON)
    assert book.turned("a") == turned(NOON)
    run, missed = book.history("a")
    assert (run.state, run.trigger, run.scheduled_at, run.times) == (RunState.QUEUED, Trigger.SCHEDULE, NOON, 1)
    assert (missed.state, missed.reason, missed.times, missed.ended_at) == (RunState.SKIPPED, "missed", 3, NOON)
    book.turn("a", "m", turned(NOON + HOUR, "@daily"), [], NOON)
    assert book.turned("a") == turned(NOON + HOUR, "@daily")


def test_a_due_time_has_one_run_whatever_is_asked(database: Database) -> None:
    """As when a schedule is changed there and back, or the clock is set back."""
    book = RunBook(database, "mine")
    first = queue(book, "a")
    book.turn("a", "m", turned(NOON), [Slot(scheduled_at=NOON, skipped="again")], NOON + HOUR)
    assert book.history("a") == [first]
    queue(book, "b")
    assert len(book.history()) == 2


def test_only_one_of_two_begins_a_run(database: Database) -> None:
    """The second hears that it has begun already."""
    book = RunBook(database, "mine")
    run = queue(book, "a")
    assert book.change(run.id, {RunState.QUEUED}, state=RunState.RUNNING, started_at=NOON)
    assert not book.change(run.id, {RunState.QUEUED}, state=RunState.RUNNING)
    assert book.change(run.id, ACTIVE, state=RunState.PROMOTED)
    assert not book.change(run.id, ACTIVE, state=RunState.FAILED)
    found = book.get(run.id)
    assert found is not None and found.state is RunState.PROMOTED and found.started_at == NOON
    assert book.get(run.id + 1) is None


def test_what_waits_for_another_try_is_not_due_yet(database: Database) -> None:
    """The oldest comes first."""
    book = RunBook(database, "mine")
    late, soon = queue(book, "late"), queue(book, "soon")
    book.change(late.id, ACTIVE, not_before=NOON + HOUR)
    assert [run.id for run in book.due(NOON)] == [soon.id]
    assert [run.id for run in book.due(NOON + HOUR)] == [late.id, soon.id]
    assert [run.id for run in book.active()] == [late.id, soon.id]


def test_the_last_run_is_one_that_ran(database: Database) -> None:
    """Those that were skipped say nothing of how the job does; runs by hand count."""
    book = RunBook(database, "mine")
    assert book.last("a") is None
    by_hand = book.add("a", "m", NOON)
    book.turn("a", "m", turned(NOON), [Slot(scheduled_at=NOON, skipped="missed")], NOON)
    assert book.last("a") == by_hand
    assert by_hand.trigger is Trigger.HAND and by_hand.scheduled_at is None


def test_homes_that_share_a_database_leave_each_others_runs_alone(database: Database) -> None:
    """Each has a job of that name, with a run of its own for the same due time."""
    mine, theirs = RunBook(database, "mine"), RunBook(database, "theirs")
    run, other = queue(mine, "a"), queue(theirs, "a")
    assert run.id != other.id
    assert mine.active() == mine.due(NOON) == mine.history() == [run]
    theirs.turn("a", "m", turned(NOON + HOUR), [], NOON)
    assert mine.turned("a") == turned(NOON)
    assert mine.last("a") == run
