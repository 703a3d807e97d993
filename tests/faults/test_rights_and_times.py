"""An inbox that may only be read, originals that may not be read, clocks that are set, files from another age."""

from __future__ import annotations

import os
import subprocess
import time

import homes
import pytest
from lasting import NOBODY, said
from ledger import tally
from mounting import bind, can_mount, disk, unmount

from watcher.results import State
from watcher.service.note import read

DAY = 86_400


def done(home, count):
    homes.wait_for(lambda: len(homes.paths(home.done)) >= count, f"{count} are done")


def states(home):
    return {row.path: row.state for row in homes.rows(home)}


@pytest.mark.mounts
def test_an_inbox_mounted_to_be_read_only_is_waited_for(tmp_path, daemons):
    """It is said, and all goes on when it may be written again."""
    if not can_mount(tmp_path / "try"):
        pytest.skip("only root can mount anything")
    home = daemons.make_home(tmp_path / "home")
    server, log = tmp_path / "server", tmp_path / "log"
    server.mkdir()
    bind(server, home.inbox)
    try:
        with daemons.running(home, log):
            subprocess.run(["mount", "-o", "remount,bind,ro", home.inbox], check=True)
            homes.drop(server, "a.png", homes.picture("red"))
            [trouble] = homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
            assert trouble.reason.startswith("Read-only file system in ")
            assert (homes.rows(home), homes.paths(server) - {"a.png"}) == ([], sign(server))
            subprocess.run(["mount", "-o", "remount,bind,rw", home.inbox], check=True)
            done(home, 1)
            assert "possible again" in said(log)
    finally:
        unmount(home.inbox)
    assert states(home) == {"a.png": State.DONE}
    tally("an inbox that is mounted read-only", tried=1)


def sign(inbox):
    """That a daemon is here."""
    return {path for path in homes.paths(inbox) if path.endswith(".here")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon as another user")
def test_an_inbox_without_the_right_to_write_is_waited_for(open_home, open_folder, daemons):
    home, log = open_home(), open_folder / "log"
    with daemons.running(home, log, user=NOBODY):
        home.inbox.chmod(0o555)
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.wait_for(lambda: "pictures cannot be claimed; they wait" in said(log), "it tells of it")
        assert homes.watcher_json("status", home=home.root)["waiting"] == 1
        home.inbox.chmod(0o755)
        done(home, 1)
    assert states(home) == {"a.png": State.DONE}
    tally("an inbox without the right to write", tried=1)


@pytest.mark.mounts
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon as another user")
def test_an_original_that_cannot_be_copied_to_another_disk_holds_up_no_other(open_home, open_folder, daemons):
    """Who may not read it can only rename it: it stays in the inbox, under a name that is not taken again."""
    far = open_folder / "far"
    if not can_mount(far):
        pytest.skip("only root can mount anything")
    with disk(far, "1m"):
        folders = {"models": str(open_folder / "models"), "done": str(far / "done"), "failed": str(far / "failed")}
        home = open_home(folders=folders)
        with daemons.running(home, open_folder / "log", user=NOBODY):
            homes.drop(home.inbox, ".closed.png", homes.picture("red", 1))
            (home.inbox / ".closed.png").chmod(0)
            (home.inbox / ".closed.png").rename(home.inbox / "closed.png")
            homes.wait_for(lambda: states(home), "it has failed")
            homes.drop(home.inbox, "a.png", homes.picture("red", 2))
            done(home, 1)
        assert states(home) == {"closed.png": State.FAILED, "a.png": State.DONE}
        assert "may not read" in (home.inbox / "closed.png.unreadable.reason.txt").read_text()
        assert homes.paths(far / "failed") == set()
        assert (home.inbox / "closed.png.unreadable").read_bytes() == homes.picture("red", 1)
        verified = homes.watcher("verify", home=home.root)
        assert verified.returncode == 0, verified.stdout
    tally("an original that may not be read, and failed on another disk", tried=1)


def test_a_clock_that_is_set_by_a_day_changes_nothing(tmp_path, daemons):
    """Quiet is measured by another clock, and what came earlier or later is told by the rows' order."""
    home = daemons.make_home(tmp_path / "home")
    with daemons.running(home, tmp_path / "log"):
        for number, hours in enumerate((0, -24, 24, 0)):
            (home.root / "new clock").write_text(str(hours))
            (home.root / "new clock").replace(home.root / "clock")
            homes.drop(home.inbox, f"{number}.png", homes.picture("red", number))
            done(home, number + 1)
    expected = [f"{number}.png" for number in range(4)]
    rows = homes.rows(home)
    assert [row.path for row in sorted(rows, key=lambda row: row.id)] == expected
    assert {row.state for row in rows} == {State.DONE}
    days = [row.received_at[:10] for row in sorted(rows, key=lambda row: row.id)]
    assert days[1] < days[0] < days[2]
    assert homes.watcher("verify", home=home.root).returncode == 0
    tally("the clock is set back and forward by a day", tried=3)


@pytest.mark.parametrize("watch", ["auto", "scan"])
def test_files_from_another_age_are_taken_like_others(tmp_path, daemons, watch):
    """From 1970, from before that, from a hundred years hence, and one whose time goes back while it waits."""
    home = daemons.make_home(tmp_path / "home", intake={"watch": watch, "settle_seconds": 0.3})
    ages = {"epoch.png": 0, "old.png": -10 * DAY, "future.png": int(time.time()) + 36_500 * DAY}
    with daemons.running(home, tmp_path / "log"):
        for seed, (name, seconds) in enumerate(ages.items()):
            homes.drop(home.inbox, f".{name}", homes.picture("red", seed))
            os.utime(home.inbox / f".{name}", (seconds, seconds))
            os.rename(home.inbox / f".{name}", home.inbox / name)
        (home.root / "hold waiting").touch()
        homes.drop(home.inbox, "back.png", homes.picture("red", 9))
        homes.wait_for((home.root / "held waiting").exists, "it is waiting")
        os.utime(home.inbox / "back.png", (0, 0))
        (home.root / "hold waiting").unlink()
        done(home, 4)
    assert states(home) == dict.fromkeys((*ages, "back.png"), State.DONE)
    tally("a file with an old or future time", tried=4)
