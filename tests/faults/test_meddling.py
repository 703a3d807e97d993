"""People meddle with a picture while it waits, once it is claimed, or while its batch is classified: it is counted once."""

from __future__ import annotations

import os
import time

import homes
import pytest
from lasting import NOBODY
from ledger import tally

from watcher.intake.claims import FOLDER

RED, BLUE = homes.picture("red", 1), homes.picture("blue", 2)
CUT = len(RED) // 2


def overwritten(path):
    with path.open("r+b") as file:
        file.truncate()
        file.write(BLUE)


def replaced(path):
    homes.drop(path.parent, path.name, BLUE)


def truncated(path):
    os.truncate(path, CUT)


def deleted(path):
    path.unlink()


def made_unreadable(path):
    path.chmod(0)


def renamed(path):
    path.rename(path.with_name("renamed.png"))


def taken_out(path):
    path.rename(path.parents[2] / "taken out.png")


def put_back(path):
    path.rename(path.parents[1] / "back.png")


CASES = {
    (overwritten, "waiting"): ["a.png done blue"],
    (replaced, "waiting"): ["a.png done blue"],
    (truncated, "waiting"): ["a.png failed None"],
    (deleted, "waiting"): ["a.png vanished None"],
    (made_unreadable, "waiting"): ["a.png failed None"],
    (renamed, "waiting"): ["renamed.png done red"],
    (taken_out, "waiting"): ["a.png vanished None"],
    (overwritten, "claimed"): ["a.png done blue"],
    (truncated, "claimed"): ["a.png failed None"],
    (deleted, "claimed"): ["a.png vanished None"],
    (made_unreadable, "claimed"): ["a.png failed None"],
    (taken_out, "claimed"): ["a.png vanished None"],
    (put_back, "claimed"): ["a.png vanished None", "back.png done red"],
    # Read is read: the result is that of the bytes that were there.
    (overwritten, "in the batch"): ["a.png done red"],
    (truncated, "in the batch"): ["a.png done red"],
    (deleted, "in the batch"): ["a.png done red"],
    (made_unreadable, "in the batch"): ["a.png done red"],
    (put_back, "in the batch"): ["a.png done red", "back.png duplicate red"],
}


def claims(home):
    folder = home.inbox / FOLDER
    return [folder / name for name in os.listdir(folder) if name.endswith(".png")] if folder.is_dir() else []


def rows(home):
    return [f"{row.path} {row.state} {row.label}" for row in homes.rows(home)]


def is_quiet(home):
    return not claims(home) and not [path for path in home.inbox.rglob("*.png") if FOLDER not in path.parts]


@pytest.mark.parametrize(("what", "when"), CASES, ids=[f"{what.__name__} {when}" for what, when in CASES])
def test_a_picture_that_people_meddle_with_is_counted_once(open_home, open_folder, daemons, what, when):
    """The user that the daemon runs as is no master over rights."""
    if what is made_unreadable and os.geteuid() != 0:
        pytest.skip("only root can start a daemon as another user")
    home = open_home(intake={"settle_seconds": 0.1 if when == "waiting" else 0.0})
    hold, held = home.root / f"hold {when}", home.root / f"held {when}"
    hold.touch()
    with daemons.running(home, open_folder / "log", user=NOBODY if os.geteuid() == 0 else 0):
        homes.drop(home.inbox, "slide/a.png" if what is taken_out and when == "waiting" else "a.png", RED)
        homes.wait_for(held.exists, f"it is {when}")
        what(next(home.inbox.rglob("a.png")) if when == "waiting" else claims(home)[0])
        hold.unlink()
        expected = CASES[what, when]
        homes.wait_for(lambda: len(rows(home)) >= len(expected) and is_quiet(home), "it is counted")
        time.sleep(0.5)  # it would be counted again by the next scans
    assert [row.removeprefix("slide/") for row in rows(home)] == expected
    kept = homes.paths(home.done) | {path for path in homes.paths(home.failed) if path.endswith(".png")}
    ended = [row for row in expected if " vanished" not in row]
    assert len(kept) == len(ended) - (when == "in the batch" and what in (deleted, put_back))
    assert len(homes.paths(home.outbox)) == sum(" failed" not in row for row in ended)
    tally(f"a picture is {what.__name__.replace('_', ' ')}: {when}", tried=1)
