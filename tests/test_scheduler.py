"""The daemon's part in jobs: due times become runs, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import desks
import pytest
from desks import HOUR, MINUTE, Desk, hold
from homes import NOON, wait_for

from watcher.jobs.processes import log_of
from watcher.results.runs import ACTIVE, RunState


@pytest.fixture
def desk(tmp_path: Path, tiny_home_models: Path) -> Iterator[Desk]:
    with desks.made(tmp_path / "home", tiny_home_models) as desk:
        yield desk


def test_a_due_time_is_run_once_over_restarts(desk: Desk) -> None:
    """What came due before the job was first seen is not caught up."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - 2 * MINUTE)
    assert desk.states() == []
    desk.turn(NOON + timedelta(seconds=9))
    desk.restart()
    desk.turn(NOON + timedelta(seconds=10), NOON + MINUTE)
    (run,) = desk.book.history()
    assert (run.scheduled_at, run.state) == (NOON, RunState.QUEUED)
    log = log_of(desk.home, run)
    wait_for(lambda: log.is_file() and log.read_text() == f"{run.id}\n", "its process has begun, once")


def test_what_was_missed_while_off_is_caught_up_as_the_job_says(desk: Desk) -> None:
    """One row for each, with its reason."""
    for catchup in ("none", "latest", "all"):
        desk.job(catchup, f'schedule = "@hourly"\ncatchup = "{catchup}"')
    desk.turn(NOON - MINUTE)
    desk.restart()
    desk.turn(NOON + 2 * HOUR + 30 * MINUTE)
    skipped, queued = RunState.SKIPPED, RunState.QUEUED
    assert desk.states("none") == [skipped] * 3
    assert desk.states("latest") == [skipped, skipped, queued]
    assert desk.states("all") == [queued] * 3
    assert all(run.reason for run in desk.book.history("none"))


def test_a_clock_that_is_set_back_doubles_nothing(desk: Desk) -> None:
    """Nor does one that is set forward lose anything."""
    desk.job("a", 'schedule = "@hourly"\ncatchup = "all"\noverlap = "queue"')
    desk.turn(NOON - MINUTE, NOON + MINUTE, NOON - HOUR, NOON - MINUTE, NOON + MINUTE, NOON + HOUR + MINUTE)
    assert [run.scheduled_at for run in desk.book.history()] == [NOON + HOUR, NOON]


def test_a_job_that_still_runs_is_skipped_or_queued(desk: Desk) -> None:
    """As it says; the row that was skipped names the run that was in the way."""
    desk.job("skip", 'schedule = "@hourly"')
    desk.job("queue", 'schedule = "@hourly"\noverlap = "queue"')
    desk.turn(NOON - MINUTE, NOON + MINUTE, NOON + HOUR + MINUTE)
    assert desk.states("queue") == [RunState.QUEUED] * 2
    assert desk.states("skip") == [RunState.QUEUED, RunState.SKIPPED]
    (reason,) = [run.reason for run in desk.book.history("skip") if run.state is RunState.SKIPPED]
    first = desk.book.history("skip")[-1].id
    assert reason == f"run {first} of the same job still waited for its turn, and overlap is skip"


def test_one_run_at_a_time_is_begun(desk: Desk) -> None:
    """The oldest first; the next when that has ended."""
    desk.job("a", 'schedule = "@hourly"')
    desk.job("b", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON, NOON + MINUTE)
    assert [run.job for run in desk.book.active()] == ["a", "b"]
    assert desk.processes.runs == [desk.book.active()[0].id]
    first = desk.book.active()[0]
    desk.book.change(first.id, ACTIVE, state=RunState.PROMOTED)
    desk.processes.kill(first.id)
    second = desk.book.active()[0].id
    wait_for(lambda: (desk.turn(NOON + MINUTE), desk.processes.runs == [second])[1], "the next has begun")
    assert desk.states() == [RunState.PROMOTED, RunState.QUEUED]


def test_a_changed_schedule_counts_from_when_it_is_seen(desk: Desk) -> None:
    """And so does one that rested: what would have been due meanwhile is not caught up."""
    desk.job("a", 'schedule = "@hourly"\nenabled = false')
    desk.turn(NOON - MINUTE, NOON + HOUR)
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(*[NOON + HOUR + MINUTE] * 3)
    assert desk.states() == []
    desk.job("a", 'schedule = "30 * * * *"')
    desk.turn(*[NOON + HOUR + 40 * MINUTE] * 3, NOON + 2 * HOUR + 31 * MINUTE)
    assert [run.scheduled_at for run in desk.book.history()] == [NOON + 2 * HOUR + 30 * MINUTE]


def test_a_broken_edit_unschedules_nothing(desk: Desk) -> None:
    """The last good one stays in force until the file is mended; a file that is gone is no job any more."""
    desk.job("a", 'schedule = "@hourly"\noverlap = "queue"')
    desk.turn(NOON - MINUTE)
    desk.job("a", 'schedule = "@hourlyy"')
    desk.turn(*[NOON + MINUTE] * 3)
    assert len(desk.states()) == 1
    (desk.home.jobs / "a.toml").unlink()
    desk.turn(*[NOON + MINUTE] * 2, NOON + HOUR + MINUTE)
    assert len(desk.states()) == 1


def test_a_clock_that_was_years_ahead_does_not_stop_a_job(desk: Desk) -> None:
    """Once it is put right, what is due counts again, and what has a row already is not doubled."""
    desk.job("a", 'schedule = "@hourly"\noverlap = "queue"')
    desk.turn(NOON - MINUTE, NOON, NOON + timedelta(days=3650))
    desk.turn(NOON + MINUTE, NOON + 2 * HOUR + MINUTE)
    assert NOON + 2 * HOUR in [run.scheduled_at for run in desk.book.history() if run.state is RunState.QUEUED]
    assert len({run.scheduled_at for run in desk.book.history()}) == len(desk.book.history())


def test_a_job_that_was_switched_off_while_nothing_ran_does_not_begin(desk: Desk) -> None:
    """Neither what was missed until then nor what waits for its turn."""
    desk.job("a", 'schedule = "@hourly"')
    desk.book.add("other", "tiny", NOON)
    desk.turn(NOON - MINUTE)
    (waiting,) = desk.book.history()
    with hold(desk, "other"):
        desk.begin(waiting)
        desk.turn(NOON)
        assert desk.states("a") == [RunState.QUEUED]
    desk.job("a", 'schedule = "@hourly"\nenabled = false')
    desk.restart()
    desk.turn(NOON + HOUR)
    assert desk.states("a") == [RunState.SKIPPED] * 2
    assert {run.reason for run in desk.book.history("a")} == {"the job is not enabled"}


def test_a_file_that_is_faulty_at_the_start_loses_no_run(desk: Desk) -> None:
    """What was noted before goes by what the file said then; of a file that is gone nothing begins."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE)
    with hold(desk, "b"):
        desk.begin(desk.book.add("b", "tiny", NOON))
        desk.turn(NOON)
    desk.job("a", "broken")
    desk.restart()
    desk.turn(NOON + MINUTE)
    (run,) = desk.book.history("a")
    assert desk.processes.runs == [run.id]
    desk.processes.stop()
    (desk.home.jobs / "a.toml").unlink()
    desk.turn(NOON + MINUTE)
    assert desk.states("a") == [RunState.SKIPPED]
