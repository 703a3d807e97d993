"""The first thing a newcomer runs."""

from __future__ import annotations

import os
from pathlib import Path

import homes
from PIL import Image

from watcher.home import open_home


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
