"""How the real daemon ends when it is asked to: with the batch in hand, and nothing of its own left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import homes
import pytest

from watcher.home import Home

COUNT = 400


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """A home with more pictures than can be classified in a moment."""
    home = homes.make(tmp_path, tiny_home_models, inference={"batch_size": 2}, intake={"watch": "auto"})
    homes.run_once(home)  # makes the database
    for seed in range(COUNT):
        homes.drop(home.inbox, f"{seed % 3}/{seed}.png", homes.picture("red", seed))
    return home


def check_books(home: Home) -> None:
    """What has a row has a copy and its original in done; the others are in the inbox, unclaimed."""
    done = {row.path for row in homes.rows(home)}
    assert 0 < len(done) < COUNT
    assert homes.paths(home.outbox) == homes.paths(home.done) == done
    assert homes.paths(home.inbox) == {f"{seed % 3}/{seed}.png" for seed in range(COUNT)} - done


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_batch_in_hand_and_no_more(home: Home, number: signal.Signals) -> None:
    """Exit code 0, nothing in the claim folder, and `--once` then does the rest."""
    once = ["--once"] if number == signal.SIGINT else []
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "run", *once]
    pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=homes.unmeasured(), **pipes) as daemon:
        homes.wait_for(lambda: homes.rows(home), "the first batch is recorded")
        daemon.send_signal(number)
        _, log = daemon.communicate(timeout=homes.PATIENCE_SECONDS)
    assert daemon.returncode == 0, log
    assert json.loads(log.splitlines()[-1])["event"] == "stopped"
    check_books(home)
    assert homes.watcher_json("status", home=home.root)["total"] == COUNT


def test_a_second_daemon_is_refused_in_one_line(tmp_path: Path, tiny_home_models: Path) -> None:
    """It names the first, which goes on; `status` names it, too."""
    home = homes.make(tmp_path, tiny_home_models)
    with homes.daemon_process(home) as first:
        second = homes.watcher("run", home=home.root)
        assert second.returncode == 1
        [line] = second.stderr.splitlines()
        assert line.startswith(f"watcher: {home.root} is already being watched, by process {first.pid} on ")
        assert f"process {first.pid} on " in homes.watcher_json("status", home=home.root)["daemon"]
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.wait_for(lambda: homes.paths(home.done), "the first works")
        first.send_signal(signal.SIGTERM)
        assert first.wait(homes.PATIENCE_SECONDS) == 0
