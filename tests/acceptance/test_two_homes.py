"""Two homes, one inbox: each picture is taken by one of them, and nothing that the other has is thought to be gone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import homes
from ledger import tally

from watcher.home import Home
from watcher.results import State


def make(root: Path, inbox: Path, models: Path) -> Home:
    return homes.make(root, models, folders={"inbox": str(inbox)}, intake={"settle_seconds": 0.3, "watch": "auto"})


def test_two_daemons_on_one_inbox_take_each_picture_once(tmp_path: Path, tiny_home_models: Path) -> None:
    """Every picture has one row, one copy and one original, in one of the homes; only what a person takes vanishes."""
    inbox = tmp_path / "inbox"
    one, other = (make(tmp_path / name, inbox, tiny_home_models) for name in ("one", "other"))
    names = {f"s{seed % 3}/{seed}.png" for seed in range(240)}
    with homes.daemon_process(one), homes.daemon_process(other):
        for seed in range(240):
            homes.drop(inbox, f"s{seed % 3}/{seed}.png", homes.picture("red", seed))
        homes.wait_for(lambda: len(homes.rows(one)) + len(homes.rows(other)) >= 240, "all are done")
        homes.wait_for(lambda: not [path for path in homes.paths(inbox) if path.endswith(".png")], "all are released")
        homes.drop(inbox, "back.png", homes.picture("red", 999))
        (inbox / "back.png").unlink()
    rows = homes.rows(one) + homes.rows(other)
    assert Counter(row.path for row in rows if row.state is State.DONE) == dict.fromkeys(names, 1)
    assert {row.path for row in rows if row.state is State.VANISHED} <= {"back.png"}
    assert len(homes.paths(one.outbox)) + len(homes.paths(other.outbox)) == 240
    assert len(homes.paths(one.done)) + len(homes.paths(other.done)) == 240
    tally("two daemons on one inbox", tried=240)
    assert min(len(homes.rows(one)), len(homes.rows(other))) > 0, "one of them did nothing, so the test shows little"
