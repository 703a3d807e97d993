"""A share that goes away and comes back: away is not empty, and an empty mount point is no folder to write to."""

from __future__ import annotations

import os
import time

import homes
import pytest
from ledger import tally
from mounting import bind, can_mount, disk, unmount

from watcher.results import State
from watcher.service.note import read

AROUND_SECONDS = 0.6
"""Enough for the daemon to look several times."""

pytestmark = pytest.mark.mounts


@pytest.fixture
def share(tmp_path):
    """A function that puts the shares `tmp_path/server/NAME` on folders; all of them are taken away at the end."""
    if not can_mount(tmp_path / "try"):
        pytest.skip("only root can mount a share")
    mounted = []

    def put(folder):
        server = tmp_path / "server" / folder.name
        server.mkdir(parents=True, exist_ok=True)
        bind(server, folder)
        mounted.append(folder)
        return server

    yield put
    for folder in mounted:
        unmount(folder)


def trouble(home):
    """What a daemon says that it cannot do."""
    return homes.wait_for(lambda: read(home.root).troubles, "the daemon tells of it")[0]


@pytest.mark.parametrize("used_before", [False, True], ids=["fresh mount point", "mount point once used itself"])
@pytest.mark.parametrize("watch", ["auto", "scan"])
def test_an_inbox_that_is_away_is_not_empty(tmp_path, daemons, share, watch, used_before):
    """Nothing has vanished, what people put into the mount point is left there, and what waited on the share is done."""
    home = daemons.make_home(tmp_path / "home", intake={"settle_seconds": 0.5, "watch": watch})
    if used_before:
        (home.inbox / ".watcher").mkdir()
    before = os.listdir(home.inbox)
    server = share(home.inbox)
    with daemons.running(home, tmp_path / "log"):
        homes.drop(server, "waits.png", homes.picture("red", 1))
        time.sleep(0.3)  # seen, and not yet taken
        unmount(home.inbox)
        assert trouble(home).what == "reading the inbox"
        homes.drop(home.inbox, "astray.png", homes.picture("red", 2))
        homes.drop(server, "later.png", homes.picture("red", 3))
        status = homes.watcher("status", home=home.root)
        assert status.returncode == 1
        assert status.stderr.startswith(f"watcher: {home.inbox} is not there: no share is mounted on {home.inbox}.")
        assert homes.rows(home) == []
        assert sorted(os.listdir(home.inbox)) == sorted(["astray.png", *before])
        assert os.listdir(home.inbox / ".watcher") == [] if used_before else True
        bind(server, home.inbox)
        homes.wait_for(lambda: len(homes.rows(home)) == 2, "both pictures are done")
        homes.drop(server, "last.png", homes.picture("red", 4))
        homes.wait_for(lambda: len(homes.paths(home.done)) == 3, "the next is done")
        assert read(home.root).troubles == ()
    assert {row.path: row.state for row in homes.rows(home)} == dict.fromkeys(
        ("waits.png", "later.png", "last.png"), State.DONE
    )
    tally("the inbox's share goes away and comes back", tried=1)


def test_events_are_heard_again_from_a_share_that_is_back(tmp_path, daemons, share):
    """The next scan would be long in coming."""
    home = daemons.make_home(tmp_path / "home", intake={"watch": "events", "rescan_seconds": 600})
    with disk(home.inbox, "1m"), daemons.running(home, tmp_path / "log"):
        unmount(home.inbox)
        homes.drop(home.inbox, "astray.png", homes.picture("red"))  # wakes it, if nothing else does
        assert trouble(home).what == "reading the inbox"
        with disk(home.inbox, "1m"):
            homes.wait_for(lambda: not read(home.root).troubles, "the new share is read")
            homes.drop(home.inbox, "a.png", homes.picture("red"))
            homes.wait_for(lambda: homes.paths(home.done), "the picture is done")
    assert [(row.path, row.state) for row in homes.rows(home)] == [("a.png", State.DONE)]
    tally("another share is mounted as the inbox", tried=1)


@pytest.mark.parametrize("folder", ["outbox", "done", "failed"])
def test_nothing_is_written_under_a_share_that_is_away(tmp_path, daemons, share, folder):
    """It would be hidden once the share is back."""
    home = daemons.make_home(tmp_path / "home")
    away = getattr(home, folder)
    server = share(away)
    bad = folder == "failed"
    with daemons.running(home, tmp_path / "log"):
        homes.drop(home.inbox, "first.png", b"no picture" if bad else homes.picture("red", 0))
        homes.wait_for(lambda: homes.paths(server) and not waiting(home), "the first is done")
        unmount(away)
        for seed in range(1, 40):
            homes.drop(home.inbox, f"{seed}/a.png", b"no picture %d" % seed if bad else homes.picture("red", seed))
        assert f"no share is mounted on {away}" in trouble(home).reason
        time.sleep(AROUND_SECONDS)
        assert os.listdir(away) == []
        assert f"{home.root / folder}" in str(homes.watcher_json("status", home=home.root)["troubles"])
        verified = homes.watcher("verify", home=home.root)
        assert (verified.returncode, "1 thing does not balance" in verified.stdout) == (1, True), verified.stdout
        bind(server, away)
        homes.wait_for(lambda: not waiting(home), "all is done")
    rows = homes.rows(home)
    assert len(rows) == 40 and {row.state for row in rows} == {State.FAILED if bad else State.DONE}
    names = {row.path for row in rows}
    assert homes.paths(server) == names | ({f"{name}.reason.txt" for name in names} if bad else set())
    assert homes.watcher("verify", home=home.root).returncode == 0
    tally(f"the share of {folder} goes away and comes back", tried=1)


def test_a_daemon_that_starts_before_its_share_waits_for_it(tmp_path, daemons, share):
    """With --once it says so and ends; and whoever wants a plain folder instead says `watcher init`."""
    home = daemons.make_home(tmp_path / "home")
    server, log = share(home.inbox), tmp_path / "log"
    with daemons.running(home, log):
        pass
    unmount(home.inbox)
    homes.drop(server, "a.png", homes.picture("red"))
    with daemons.running(home, log, until="not possible"):
        assert trouble(home).what == "reading the inbox"
        assert os.listdir(home.inbox) == []
        bind(server, home.inbox)
        homes.wait_for(lambda: homes.paths(home.done), "the picture is done")
    unmount(home.inbox)
    with daemons.running(home, log, until="not possible"):
        pass  # and it ends although it waits
    assert homes.watcher("status", home=home.root).returncode == 1
    assert homes.watcher("init", home=home.root).returncode == 0
    assert homes.watcher_json("status", home=home.root)["done"] == 1
    with daemons.running(home, log):
        homes.drop(home.inbox, "b.png", homes.picture("red", 1))
        homes.wait_for(lambda: len(homes.paths(home.done)) == 2, "the plain folder is read")
    tally("a start while the inbox's share is away", tried=2)


def waiting(home):
    return {path for path in homes.paths(home.inbox) if not path.endswith(".here")}
