"""The first thing a newcomer runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import homes
from PIL import Image

from watcher.home import open_home
from watcher.service.lock import holder


def test_the_demo_shows_three_photographs_classified_by_a_daemon(tmp_path: Path) -> None:
    """Their rows are printed, their copies are there, the daemon has ended, and the home can be asked for more."""
    done = homes.watcher("demo", env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    [root] = tmp_path.iterdir()
    home = open_home(root)
    rows = {row.name: row for row in homes.rows(home)}
    assert set(rows) == {"china.jpg", "flower.jpg", "grace_hopper.jpg"}
    for name, row in rows.items():
        assert row.state == "done"
        assert row.label and row.label in done.stdout
        copy = home.root / (row.outbox_path or "")
        assert str(copy) in done.stdout
        with Image.open(copy) as annotated, Image.open(home.done / name) as original:
            assert annotated.height > original.height
    assert homes.paths(home.inbox) == set()
    assert homes.watcher_json("status", home=root)["daemon"] is None
    assert f"watcher --home {root} results" in done.stdout


def test_a_demo_that_is_ended_leaves_no_daemon(tmp_path: Path) -> None:
    """Whoever closes the terminal has not left a process behind that nobody knows of."""
    command = [sys.executable, "-m", "watcher", "demo"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as demo:
        homes.wait_for(lambda: any(holder(root / ".watcher.lock") for root in tmp_path.iterdir()), "the daemon runs")
        demo.send_signal(signal.SIGHUP)
        assert demo.wait(homes.PATIENCE_SECONDS) == 1
    [root] = tmp_path.iterdir()
    assert holder(root / ".watcher.lock") is None
