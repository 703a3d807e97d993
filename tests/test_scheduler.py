"""The daemon's part in jobs: due times become runs, one at a time, and crashes are mended."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from homes import NOON, make, wait_for

from watcher.home import Home
from watcher.jobs.ending import DEATHS
from watcher.jobs.folder import JobFolder
from watcher.jobs.processes import Processes, log_of
from watcher.jobs.scheduler import LINGER, Scheduler
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import ACTIVE, Run, RunState

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@contextmanager
def hold(desk: Desk, job: str) -> Iterator[None]:
    """The job's lock, as its process would."""
    desk.home.job_logs.mkdir(exist_ok=True)
    handle = os.open(desk.home.job_lock(job), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


SLEEPER = (sys.executable, "-c", "import sys, time; print(sys.argv[-1], flush=True); time.sleep(60)")
FAULTY = (sys.executable, "-c", "raise SystemExit('no room')")


class Desk:
    """A home's scheduler and its book; what it starts is a real process that only sleeps."""

    def __init__(self, home: Home, book: RunBook, command: tuple[str, ...] = SLEEPER) -> None:
        self.home, self.book = home, book
        self.processes = Processes(home, command)
        self.restart()

    def restart(self) -> None:
        """As after a crash: what was in memory is gone."""
        self.scheduler = Scheduler(self.home, JobFolder(self.home.jobs), self.book, self.processes)

    def job(self, name: str, text: str) -> None:
        path = self.home.jobs / f"{name}.toml"
        path.write_text(f'model = "tiny"\n{text}\n', "utf-8")

    def turn(self, *moments: datetime) -> None:
        for moment in moments:
            self.scheduler.turn(moment)

    def states(self, job: str | None = None) -> list[RunState]:
        """Of its runs, oldest first."""
        return [run.state for run in reversed(self.book.history(job))]

    def reasons(self) -> list[str]:
        return [run.reason or "" for run in reversed(self.book.history())]

    def alive(self) -> bool:
        """Whether a process that was begun has not ended."""
        return any(child.process.poll() is None for child in self.processes._children)

    def begin(self, run: Run, pid: int = 1) -> None:
        """Notes a run as its process would."""
        here = {"host": socket.gethostname(), "pid": pid, "started_at": NOON, "tries": run.tries + 1}
        assert self.book.change(run.id, {RunState.QUEUED}, state=RunState.RUNNING, **here)


@pytest.fixture
def desk(tmp_path: Path, tiny_home_models: Path) -> Iterator[Desk]:
    home = make(tmp_path / "home", tiny_home_models)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        desk = Desk(home, RunBook(database, "mine"))
        yield desk
        desk.processes.stop()


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


def test_a_run_whose_process_is_gone_goes_on_a_few_times(desk: Desk) -> None:
    """A machine that crashes is no fault of the job; a training that is killed every time is given up."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    (run,) = desk.book.history()
    for _ in range(DEATHS - 1):
        desk.begin(desk.book.history()[0])
        desk.turn(NOON + MINUTE)
        assert desk.states() == [RunState.QUEUED]
    desk.begin(desk.book.history()[0])
    desk.turn(NOON + MINUTE)
    assert desk.states() == [RunState.FAILED]
    assert f"ended {DEATHS} times without a word" in desk.reasons()[0]
    assert run.id == desk.book.history()[0].id


def test_a_run_that_is_at_work_is_left_alone(desk: Desk) -> None:
    """It outlived the daemon that began it: its lock says so, and no other run begins beside it."""
    desk.job("a", 'schedule = "@hourly"')
    desk.job("b", 'schedule = "1 * * * *"')
    desk.processes = Processes(desk.home, (sys.executable, "-c", ""))
    desk.restart()
    desk.turn(NOON - MINUTE, NOON)
    desk.begin(desk.book.history()[0])
    handle = os.open(desk.home.job_lock("a"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        wait_for(lambda: (desk.turn(NOON + MINUTE), not desk.processes.any)[1], "the child is heard of")
        desk.turn(NOON + 2 * MINUTE)
        assert desk.states() == [RunState.RUNNING, RunState.QUEUED]
        assert desk.processes.runs == []
    finally:
        os.close(handle)
    desk.turn(NOON + 2 * MINUTE)
    assert desk.states("a") == [RunState.QUEUED]


def test_a_process_that_cannot_begin_fails_its_run(tmp_path: Path, desk: Desk) -> None:
    """And is not begun again every second."""
    desk.processes = Processes(desk.home, FAULTY)
    desk.restart()
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    wait_for(lambda: (desk.turn(NOON), desk.states() == [RunState.FAILED])[1], "the run has failed")
    assert "could not begin (exit code 1): see its log" in desk.reasons()[0]
    assert "no room" in log_of(desk.home, desk.book.history()[0]).read_text()


def test_a_process_that_is_killed_before_it_begins_is_begun_again_a_few_times(desk: Desk) -> None:
    """As one that dies later; the machine may just have been short of memory."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE)
    for _ in range(DEATHS):
        wait_for(lambda: (desk.turn(NOON), desk.processes.any)[1], "its process is there")
        assert desk.states() == [RunState.QUEUED]
        desk.processes.kill(desk.book.history()[0].id)
        wait_for(lambda: (time.sleep(0.1), not desk.alive())[1], "it is killed")
    desk.turn(NOON)
    assert desk.states() == [RunState.FAILED]
    assert "could not begin (signal 9): see its log" in desk.reasons()[0]


def test_what_was_cancelled_and_does_not_end_is_ended(desk: Desk) -> None:
    """Once it has had the time to end by itself and to tell of it."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    (run,) = desk.book.history()
    desk.book.change(run.id, ACTIVE, state=RunState.CANCELLED, ended_at=NOON)
    desk.turn(NOON + LINGER)
    assert desk.alive()
    desk.turn(NOON + LINGER + MINUTE)
    wait_for(lambda: not desk.alive(), "it is gone")


def test_a_run_of_a_machine_that_has_another_name_now_goes_on(desk: Desk) -> None:
    """As a container has after every update; on one machine its lock tells that it is gone."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE)
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON)
    run = desk.book.history()[0]
    desk.processes.stop()
    desk.begin(run)
    desk.book.change(run.id, {RunState.RUNNING}, host="a name of before")
    desk.turn(NOON + MINUTE)
    assert desk.states() == [RunState.QUEUED]


def test_the_job_s_command_is_told_of_a_run_that_could_not_tell_itself(desk: Desk, tmp_path: Path) -> None:
    """Its process died, or never began."""
    desk.processes = Processes(desk.home, FAULTY)
    desk.restart()
    told = tmp_path / "told"
    desk.job("a", f'schedule = "@hourly"\nwhen_ended = ["tee", "{told}"]')
    desk.turn(NOON - MINUTE, NOON)
    wait_for(lambda: (desk.turn(NOON), told.is_file() and told.read_text())[1], "it is told")
    assert '"state": "failed"' in told.read_text()


def test_runs_by_hand_that_died_are_noted_as_failed(desk: Desk) -> None:
    """With what to do; the daemon never begins them itself."""
    running, waiting = desk.book.add("a", "tiny", NOON), desk.book.add("b", "tiny", NOON)
    desk.begin(running)
    desk.turn(NOON + MINUTE)
    assert desk.states() == [RunState.FAILED, RunState.QUEUED]
    assert "`watcher jobs run a` goes on where it was" in desk.reasons()[0]
    desk.turn(NOON + HOUR)
    assert desk.states() == [RunState.FAILED, RunState.FAILED]
    assert waiting.id == desk.book.history()[0].id


def test_the_daemon_s_end_ends_its_runs(desk: Desk) -> None:
    """They go back into the queue by themselves; what does not heed that is killed."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    (child,) = desk.processes._children
    desk.processes.stop()
    assert child.process.returncode == -15
    assert not desk.processes.any


def test_while_pictures_wait_a_run_keeps_to_half_of_the_processors(desk: Desk) -> None:
    """And has all of them again afterwards."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    (child,) = desk.processes._children
    everything = os.sched_getaffinity(0)
    desk.processes.give_way(True)
    assert len(os.sched_getaffinity(child.process.pid)) == max(1, len(everything) // 2)
    desk.processes.give_way(False)
    assert os.sched_getaffinity(child.process.pid) == everything


def test_a_clock_that_was_years_ahead_does_not_stop_a_job(desk: Desk) -> None:
    """Once it is put right, what is due counts again, and what has a row already is not doubled."""
    desk.job("a", 'schedule = "@hourly"\noverlap = "queue"')
    desk.turn(NOON - MINUTE, NOON, NOON + timedelta(days=3650))
    desk.turn(NOON + MINUTE, NOON + HOUR + MINUTE)
    assert NOON + HOUR in [run.scheduled_at for run in desk.book.history() if run.state is RunState.QUEUED]
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


def test_a_run_that_does_not_heed_its_time_limit_is_killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By how long its process has been at work; one that goes on after a long night has its time anew."""
    desk.job("a", 'schedule = "@hourly"\ntimeout = "2h"')
    desk.turn(NOON - MINUTE, NOON)
    (run,) = desk.book.history()
    (child,) = desk.processes._children
    with hold(desk, "a"):
        desk.begin(run, child.process.pid)
        desk.turn(NOON + timedelta(days=3))
        assert desk.states("a")[0] is RunState.RUNNING
        monkeypatch.setattr("watcher.jobs.processes.time.monotonic", lambda: child.begun + 7300)
        desk.turn(NOON + timedelta(days=3))
    assert desk.states("a")[0] is RunState.FAILED
    assert "hung beyond 2:00:00" in desk.reasons()[0]
    assert child.process.wait() == -9


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
