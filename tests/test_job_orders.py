"""A run that is told to end, in whatever moment: the row says what is true, and what is live stays so."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import homes
import pytest
import retraining
import trainings
from homes import NOON
from retraining import Bench

from watcher.jobs.attempt import attempt
from watcher.jobs.work import Work
from watcher.locks import held
from watcher.models.registry import Registry
from watcher.results.runs import RunState


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with retraining.bench(tmp_path) as bench:
        yield bench


class Library(trainings.Watcher):
    """Takes whatever is raised in it for a fault of its own, as an import does, or for nothing."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.silent = silent

    def stage(self, name: str) -> Callable[[int, int], None]:
        if not self.stages:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)
            except BaseException as fault:
                if not self.silent:
                    raise ImportError("a part is missing") from fault
        elif self.silent:
            time.sleep(homes.PATIENCE_SECONDS)
        return super().stage(name)


@pytest.mark.parametrize("silent", [True, False])
def test_a_signal_that_a_library_keeps_to_itself_is_heeded_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """It was no fault of the job."""
    monkeypatch.setattr("watcher.jobs.orders.AGAIN_SECONDS", 0.7)
    run = bench.scheduled()
    work = Work(bench.home, bench.registry, bench.book, Library(silent=silent), lambda: NOON)
    ended = attempt(work, bench.book, run, bench.job(), None, lambda: NOON)
    assert (ended.state, ended.tries) == (RunState.QUEUED, 0), ended.reason


def test_what_was_cancelled_never_goes_live(bench: Bench) -> None:
    """However far it has come when its process does not hear of it; the job's command is told."""
    told = bench.home.root / "told"
    job, run = bench.job(when_ended=("tee", str(told))), bench.book.add("tones", "tones", NOON)

    class Late(trainings.Watcher):
        def stage(self, name: str) -> Callable[[int, int], None]:
            if name.startswith("Trying"):
                bench.book.change(run.id, {RunState.RUNNING}, state=RunState.CANCELLED, ended_at=NOON)
            return super().stage(name)

    work = Work(bench.home, bench.registry, bench.book, Late(), lambda: NOON)
    ended = attempt(work, bench.book, run, job, None, lambda: NOON)
    assert (ended.state, ended.candidate, ended.version_after) == (RunState.CANCELLED, 1, None)
    assert not bench.registry.has("tones")
    assert json.loads(told.read_text("utf-8"))["state"] == "cancelled"


def test_a_signal_between_going_live_and_saying_so_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is true of what is live."""
    real = Registry.promote

    def promote(self: Registry, *args: Any) -> object:
        switch = real(self, *args)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        return switch

    monkeypatch.setattr(Registry, "promote", promote)
    ended = bench.run(bench.job())
    assert (ended.state, ended.version_after) == (RunState.PROMOTED, 1)


def test_a_scheduled_run_whose_job_runs_by_hand_waits_if_the_job_queues(bench: Bench) -> None:
    """It is tried again a little later."""
    bench.home.job_logs.mkdir(parents=True)
    with held(bench.home.job_lock("tones"), NOON):
        ended = bench.run(bench.job(overlap="queue"), run=bench.scheduled())
    assert ended.state is RunState.QUEUED
    assert ended.not_before is not None and ended.not_before > NOON
