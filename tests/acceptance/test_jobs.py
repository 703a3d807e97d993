"""Scheduled retraining as its users have it: the real command, the real daemon, real trainings."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import homes
import pytest
import retraining
from homes import NOON
from retraining import ENDLESS, JOB, runs, wait_for

from watcher.home import Home
from watcher.models.registry import Registry
from watcher.results.runs import RunState, Trigger

pytestmark = pytest.mark.timeout(4 * retraining.PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    """A home whose job has been run once; tests use copies of it."""
    home = retraining.make(tmp_path_factory.mktemp("jobs") / "home", tiny_home_models)
    done = homes.watcher("jobs", "run", "tones", home=home.root, env=homes.unmeasured())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Run 1: promoted tones/1: there was none before; balanced accuracy ")
    return home


@pytest.fixture
def home(trained: Home, tmp_path: Path) -> Home:
    return retraining.copy(trained, tmp_path / "home")


@contextmanager
def by_hand(home: Home, job: str) -> Iterator[subprocess.Popen[str]]:
    """`jobs run`, going on; killed at the end unless it has ended."""
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "jobs", "run", job]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=homes.unmeasured(), **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def stream(home: Home) -> Iterator[list[str]]:
    """Pictures without end for the model that is trained anew; the paths of those that were dropped."""
    dropped: list[str] = []
    stop = threading.Event()

    def work() -> None:
        for seed in itertools.count(1000):
            if stop.wait(0.2):
                return
            path = f"tones/stream/{seed}.png"
            homes.drop(home.inbox, path, homes.picture("red", seed))
            dropped.append(path)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield dropped
    finally:
        stop.set()
        thread.join()


def test_a_daemon_retrains_and_goes_over_to_the_new_version_while_it_classifies(home: Home) -> None:
    """Every minute; SIGTERM puts the training back, and the next daemon goes on with it. No picture is lost.

    No batch has results of two versions, and after the first of the new one there are none of the old.
    """
    (home.jobs / "tones.toml").write_text(JOB.replace("@yearly", "* * * * *"), "utf-8")
    with stream(home) as dropped:
        with homes.daemon_process(home) as daemon:
            run = retraining.running(home, 2)
            assert run.pid is not None and retraining.workers(home) == [run.pid]
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(homes.PATIENCE_SECONDS) == 0
            assert not retraining.is_there(run.pid)
        (first,) = [each for each in runs(home) if each.id == 2]
        assert (first.trigger, first.state, first.tries) == (Trigger.SCHEDULE, RunState.QUEUED, 0)
        with homes.daemon_process(home) as daemon:
            wait_for(home, lambda: runs(home)[1].ended_at, "the run has ended")
            wait_for(
                home, lambda: max(row.model_version or 0 for row in homes.rows(home)) == 2, "the new version is at work"
            )
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(homes.PATIENCE_SECONDS) == 0
    ended = runs(home)[1]
    assert (ended.state, ended.version_before, ended.version_after) == (RunState.PROMOTED, 1, 2), ended.reason
    assert ended.scheduled_at is not None and ended.scheduled_at.second == 0
    assert len({run.scheduled_at for run in runs(home)}) == len(runs(home))
    assert {run.state for run in runs(home)} <= {RunState.PROMOTED, RunState.QUEUED, RunState.SKIPPED}
    assert "Trying tones/2 on held-out pictures" in (home.root / (ended.log_path or "")).read_text("utf-8")
    rows = homes.run_once(home)
    assert sorted(row.path for row in rows) == sorted(dropped)
    batches: dict[Any, set[int | None]] = defaultdict(set)
    for row in rows:
        batches[row.finished_at].add(row.model_version)
    assert [batches[at] for at in sorted(batches)] == sorted(batches.values(), key=max)
    assert [len(versions) for versions in batches.values()] == [1] * len(batches)


def test_a_model_of_shuffled_labels_is_not_promoted(home: Home) -> None:
    """Exit code 3, and the sentence says by how much it is worse."""
    trained_on = Registry(home.models).current("tones").card.trained_on
    assert trained_on is not None
    for path in sorted((home.root / "set").glob("*/*.png")):
        if path.name.partition("-")[0] not in trained_on.settings["held_out_groups"]:
            other = {"red": "blue", "blue": "red"}[path.parent.name]
            path.rename(home.root / "set" / other / path.name.replace(".png", "-moved.png"))
    done = homes.watcher("jobs", "run", "tones", home=home.root, env=homes.unmeasured())
    assert done.returncode == 3, done.stdout + done.stderr
    said = done.stdout.splitlines()[0]
    assert said.startswith("Run 2: kept tones/1: candidate tones/2 has balanced accuracy 0.")
    assert " against 1.000 on 18 held-out pictures" in said
    assert Registry(home.models).current("tones").card.version == 1
    shown = json.loads(homes.watcher("jobs", "show", "2", "--format", "json", home=home.root).stdout)
    assert (shown["state"], shown["version_after"], shown["candidate"]) == ("kept", 1, 2)
    assert (home.root / shown["report_path"]).is_file()


def test_a_run_by_hand_is_run_once_and_cancelled(home: Home) -> None:
    """A second one has exit code 4; the cancelled one is gone, and cannot be cancelled again."""
    (home.jobs / "endless.toml").write_text(ENDLESS, "utf-8")
    with by_hand(home, "endless") as process:
        run = retraining.running(home, 2)
        second = homes.watcher("jobs", "run", "endless", home=home.root)
        assert (second.returncode, second.stdout) == (4, "")
        assert second.stderr.startswith(f"watcher: the job endless runs already, in process {process.pid} on ")
        assert len(second.stderr.splitlines()) == 1
        done = homes.watcher("jobs", "cancel", str(run.id), home=home.root)
        assert (done.returncode, done.stdout) == (0, "Run 2 of the job endless is cancelled.\n"), done.stderr
        out, err = process.communicate(timeout=homes.PATIENCE_SECONDS)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "watcher: run 2 cancelled: cancelled by hand"
    assert "Traceback" not in err
    assert [run.state for run in runs(home)] == [RunState.PROMOTED, RunState.CANCELLED, RunState.SKIPPED]
    again = homes.watcher("jobs", "cancel", "2", home=home.root)
    assert (again.returncode, again.stderr) == (1, "watcher: run 2 has ended already: it is cancelled\n")
    assert Registry(home.models).versions("tones") == [1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_by_hand_that_is_stopped_says_how_to_go_on(home: Home, number: signal.Signals) -> None:
    """Exit code 130, one line at the end, and the row."""
    (home.jobs / "endless.toml").write_text(ENDLESS, "utf-8")
    with by_hand(home, "endless") as process:
        retraining.running(home, 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=homes.PATIENCE_SECONDS)
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[-1].startswith(
        "watcher: run 2 cancelled: stopped by hand; `watcher jobs run endless` goes on"
    )
    assert "Traceback" not in err
    assert retraining.last(home).state is RunState.CANCELLED


def test_a_run_of_the_daemon_is_cancelled_and_the_next_begins(home: Home) -> None:
    """Its process is gone; the daemon has seen to the rest, and ends as ever."""
    (home.jobs / "endless.toml").write_text(ENDLESS, "utf-8")
    retraining.come_due(home, NOON, "endless")
    retraining.come_due(home, NOON, "tones")
    with homes.daemon_process(home) as daemon:
        run = retraining.running(home, 2)
        assert run.pid is not None
        done = homes.watcher("jobs", "cancel", "2", home=home.root)
        assert done.returncode == 0, done.stderr
        wait_for(home, lambda: not retraining.is_there(run.pid or 0), "the process is gone")
        wait_for(home, lambda: retraining.last(home).ended_at, "the next run has ended")
        assert daemon.poll() is None
    states = [(run.job, run.state) for run in runs(home)][1:]
    assert states == [("endless", RunState.CANCELLED), ("tones", RunState.PROMOTED)]
    assert runs(home)[1].reason == "cancelled by hand"
