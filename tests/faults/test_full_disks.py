"""A disk that fills: intake pauses, it is said which folder is full, and all goes on by itself once there is room."""

from __future__ import annotations

import homes
import pytest
from lasting import said
from ledger import tally
from mounting import Filler, can_mount, disk, set_readonly

from watcher.results import State
from watcher.service.lock import holder
from watcher.service.note import read
from watcher.service.room import take_room

COUNT = 60
BATCH = 4
MOST_IN_WORK = 6 * BATCH
"""Claimed and unread, read, being classified, waiting to be finished, being finished."""

pytestmark = pytest.mark.mounts


@pytest.fixture
def small(tmp_path):
    """The folder of a small disk, which a test fills."""
    folder = tmp_path / "small"
    if not can_mount(folder.parent / "try"):
        pytest.skip("only root can mount a small disk")
    with disk(folder, "2m"):
        yield folder


def drop_all(inbox, kind="good"):
    for seed in range(COUNT):
        homes.drop(inbox, f"{seed}.png", homes.picture("red", seed) if kind == "good" else b"no picture %d" % seed)


@pytest.mark.parametrize(
    ("folder", "kind", "what"),
    [
        ("outbox", "good", "writing to the outbox"),
        ("done", "good", "moving the originals"),
        ("failed", "bad", "writing to the folder of failed pictures"),
        ("home", "good", "writing to the database"),
    ],
)
def test_a_full_disk_is_waited_for(tmp_path, small, daemons, folder, kind, what):
    root = small if folder == "home" else tmp_path / "home"
    aside = {name: str(tmp_path / name) for name in ("inbox", "outbox", "done", "failed")}
    full = small if folder == "home" else small / folder
    home = daemons.make_home(root, folders=aside | ({} if folder == "home" else {folder: str(full)}))
    log, filler = tmp_path / "log", Filler(small)
    with daemons.running(home, log):
        filler.fill()
        drop_all(home.inbox, kind)
        homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
        homes.wait_for(lambda: claimed(home) >= BATCH, "it claims")
        found = homes.watcher_json("status", home=home.root)
        [trouble] = found["troubles"]
        assert (trouble["what"], found["total"]) == (what, COUNT)
        assert str(full) in trouble["reason"]
        assert "No space left" in trouble["reason"] or "full" in trouble["reason"]
        assert what in said(log) and trouble["reason"] in said(log)
        assert found["claimed"] <= MOST_IN_WORK
        assert len(homes.paths(home.inbox)) == COUNT
        filler.remove()
        homes.wait_for(lambda: not waiting(home), "all is done")
        homes.wait_for(lambda: not read(home.root).troubles, "it says no more of it")
    balance(home, State.DONE if kind == "good" else State.FAILED)
    assert "possible again" in said(log)
    tally(f"a full disk: {folder}", tried=1)


def test_a_full_inbox_is_emptied(tmp_path, small, daemons):
    """Nobody can drop any more, and what is there is done: that makes room."""
    aside = {name: str(tmp_path / name) for name in ("outbox", "done", "failed")}
    home = daemons.make_home(tmp_path / "home", folders={"inbox": str(small), **aside})
    drop_all(home.inbox)
    filler = Filler(small)
    filler.fill()
    with daemons.running(home, tmp_path / "log"):
        homes.wait_for(lambda: not waiting(home) - {"filler"}, "all is done")
    filler.remove()
    balance(home, State.DONE)
    tally("a full disk: inbox", tried=1)


def claimed(home):
    return len(
        [path for path in homes.paths(home.inbox) if path.startswith(".watcher/") and not path.endswith(".here")]
    )


def waiting(home):
    """What is in the inbox still, or in work."""
    return {path for path in homes.paths(home.inbox) if not path.endswith(".here")}


def balance(home, state):
    """Every picture has one row, one original, and a copy or a note."""
    rows = homes.rows(home)
    assert sorted(row.path for row in rows) == sorted(f"{seed}.png" for seed in range(COUNT))
    assert {row.state for row in rows} == {state}
    names = {row.path for row in rows}
    if state is State.DONE:
        assert homes.paths(home.done) == homes.paths(home.outbox) == names
    else:
        assert homes.paths(home.failed) == names | {f"{name}.reason.txt" for name in names}
    verified = homes.watcher("verify", home=home.root)
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("before", ["new", "run"])
def test_a_start_on_a_full_disk_is_waited_for(tmp_path, small, daemons, before):
    """Of a home that is new, and of one that has run before."""
    aside = {name: str(tmp_path / name) for name in ("inbox", "outbox", "done", "failed")}
    home, log = daemons.make_home(small, folders=aside), tmp_path / "log"
    if before == "run":
        with daemons.running(home, log):
            pass
    else:
        take_room(home)  # as `watcher init` does
    drop_all(home.inbox)
    filler = Filler(small)
    filler.fill()
    begin = log.stat().st_size if log.exists() else 0
    with daemons.running(home, log, until="not possible now"):
        assert "No space left" in said(log, begin) or "full" in said(log, begin)
        homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
        assert (holder(home.lock) or "").startswith(f"process {daemons.number} on ")
        assert len(homes.paths(home.inbox)) == COUNT
        filler.remove()
        homes.wait_for(lambda: not waiting(home), "all is done")
        homes.wait_for(lambda: not read(home.root).troubles, "it says no more of it")
    balance(home, State.DONE)
    tally("a start on a full disk", tried=1)


def test_a_start_on_a_disk_that_cannot_be_written_is_waited_for(tmp_path, small, daemons):
    """As one is that was made read-only after a fault. Nobody else's lock is broken by that."""
    aside = {name: str(tmp_path / name) for name in ("inbox", "outbox", "done", "failed")}
    home, log = daemons.make_home(small, folders=aside), tmp_path / "log"
    drop_all(home.inbox)
    set_readonly(small, True)
    with daemons.running(home, log, until="not possible now"):
        assert "taking the home's lock" in said(log) and "Read-only file system" in said(log)
        set_readonly(small, False)
        homes.wait_for(lambda: not waiting(home), "all is done")
    balance(home, State.DONE)
    tally("a start on a disk that cannot be written", tried=1)
