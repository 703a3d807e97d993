"""What the daemon does for runs whose process is gone, cannot begin, does not end, or is to give way."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import desks
import pytest
from desks import FAULTY, HOUR, MINUTE, Desk, hold
from homes import NOON, wait_for

from watcher.jobs.ending import DEATHS
from watcher.jobs.processes import Processes, log_of
from watcher.jobs.scheduler import LINGER
from watcher.results.runs import ACTIVE, RunState


@pytest.fixture
def desk(tmp_path: Path, tiny_home_models: Path) -> Iterator[Desk]:
    with desks.made(tmp_path / "home", tiny_home_models) as desk:
        yield desk


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


def test_runs_are_asked_to_end_without_waiting_for_that(desk: Desk) -> None:
    """As by a daemon that hangs, before it begins anew: its successor would not know them for its own."""
    desk.job("a", 'schedule = "@hourly"')
    desk.turn(NOON - MINUTE, NOON)
    assert desk.alive()
    desk.processes.ask_to_end()
    wait_for(lambda: not desk.alive(), "the process has ended")
