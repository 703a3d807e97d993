"""SIGKILL to trainings and daemons at any moment: the book of runs stays true, and what is live stays whole."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import homes
import pytest
import retraining
from homes import NOON
from retraining import active, runs, wait_for

from watcher.home import Home
from watcher.jobs.ending import DEATHS
from watcher.models.package import load
from watcher.models.registry import Registry
from watcher.results import State
from watcher.results.runs import RunState

# More of them, and others, for whoever has the time.
KILLS = int(os.environ.get("WATCHER_TEST_KILLS", "3"))
SEED = int(os.environ.get("WATCHER_TEST_SEED", "1"))
ENDS = {RunState.PROMOTED, RunState.KEPT, RunState.FAILED}
pytestmark = pytest.mark.timeout(4 * retraining.PATIENCE_SECONDS)


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Iterator[Home]:
    home = retraining.make(tmp_path / "home", tiny_home_models)
    yield home
    for pid in retraining.workers(home):  # those of a daemon that was killed
        os.kill(pid, signal.SIGKILL)


class Fate:
    """Kills, at moments of a run's time that the seed chooses, and gives the daemon something to do meanwhile."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.seconds = 0.0  # that a run takes
        self.random = random.Random(SEED)
        self.hours = count(1)
        self.due = 0
        self.dropped: list[str] = []
        self.kills = 0

    def measure(self) -> None:
        """Leaves the first run alone."""
        if self.seconds:
            return
        retraining.come_due(self.home, NOON)
        wait_for(self.home, lambda: retraining.workers(self.home), "the first run has been begun")
        began = time.monotonic()
        wait_for(self.home, lambda: not active(self.home), "the first run has ended")
        self.seconds = time.monotonic() - began

    def drop(self) -> None:
        """A picture for what is trained."""
        self.dropped.append(f"tones/{len(self.dropped)}.png")
        homes.drop(self.home.inbox, self.dropped[-1], homes.picture("red", 5000 + len(self.dropped)))

    def strike(self, daemon: int) -> bool:
        """Kills the training, the daemon or both; whether the daemon was among them."""
        wait_for(self.home, self._at_work, "a run has been begun")
        time.sleep(self.random.uniform(0, self.seconds))
        victims = self.random.choice(["training", "daemon", "both"])
        found = [] if victims == "daemon" else retraining.workers(self.home)
        for pid in [*found, *([] if victims == "training" else [daemon])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
        return victims != "training"

    def _at_work(self) -> bool:
        """Whether a run is; if there is none, one comes due."""
        if not active(self.home):
            retraining.come_due(self.home, NOON + timedelta(hours=next(self.hours)))
            self.due += 1
        return bool(retraining.workers(self.home))


def test_whatever_is_killed_the_book_is_true_and_the_live_model_whole(home: Home) -> None:
    """Every run ends, each due time has one, each made one version at most; no training has ended the daemon."""
    fate = Fate(home)
    while fate.kills < KILLS:
        with homes.daemon_process(home) as daemon:
            assert_true(home)
            fate.measure()
            struck = False
            while not struck and fate.kills < KILLS:
                fate.drop()
                struck = fate.strike(daemon.pid)
                if not struck:
                    assert_true(home)
                    assert daemon.poll() is None
    with homes.daemon_process(home) as daemon:
        assert_true(home)
        wait_for(home, lambda: not active(home), "all that was begun has ended")
        retraining.come_due(home, NOON + timedelta(hours=next(fate.hours)))
        wait_for(home, lambda: not active(home), "one that is left alone has ended")
        wait_for(home, lambda: len(homes.rows(home)) == len(fate.dropped), "all pictures are done")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(homes.PATIENCE_SECONDS) == 0
    wait_for(home, lambda: not retraining.workers(home), "no process is left")
    check_book(home, 2 + fate.due)
    check_models(home)
    assert sorted((row.path, row.state) for row in homes.rows(home)) == sorted(
        (path, State.DONE) for path in fate.dropped
    )


def assert_true(home: Home) -> None:
    """A run that is said to be at work has a process; the daemon may need a moment to see that it is gone."""

    def true() -> bool:
        return all(run.pid in retraining.workers(home) for run in runs(home) if run.state is RunState.RUNNING)

    wait_for(home, true, "what is said to run does run")


def check_book(home: Home, due: int) -> None:
    book = runs(home)
    assert len({run.scheduled_at for run in book}) == len(book) == due
    assert {run.state for run in book} <= ENDS
    assert all(run.ended_at and run.reason for run in book)
    for run in book:
        if run.state is RunState.PROMOTED:
            assert run.version_after == run.candidate
        if run.state is RunState.FAILED:
            assert run.tries in (DEATHS - 1, DEATHS), run  # so often it was killed, and not otherwise
            assert "without a word" in (run.reason or "") or "could not begin (signal 9)" in (run.reason or "")
    assert book[-1].state is RunState.PROMOTED


def check_models(home: Home) -> None:
    registry = Registry(home.models)
    book = runs(home)
    candidates = [run.candidate for run in book if run.candidate is not None]
    assert sorted(candidates) == registry.versions("tones")
    trainings = [registry.read("tones", version).card.trained_on for version in registry.versions("tones")]
    assert len({trained.settings["run"] for trained in trainings if trained}) == len(candidates)
    live = registry.current("tones")
    assert load(live).output_shape == (None, 2)  # it is loaded only if its digest is right
    assert live.card.version == book[-1].version_after
    # A kill in the very moment of tidying leaves the folder of a run that has ended; trainings tell of it.
    ended = {trained.settings["run"] for trained in trainings if trained}
    for left in (home.models / "tones").glob(".training-*/"):
        name = left / "run"
        assert name.read_text("utf-8") in ended if name.exists() else not list(left.iterdir()), left
