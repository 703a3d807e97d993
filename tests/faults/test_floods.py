"""More than the system can tell of, or nobody who tells: no file is missed; and a backlog of any size costs the same memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import homes
import pytest
from lasting import Daemons, said
from ledger import tally
from scenes import OTHER_DISK

from watcher.results import State

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
LONG = 600
"""Seconds until the next scan comes by itself: longer than any test waits."""
FEW, MANY, MOST_MEMORY = 300, 3000, 1.3


def done(home, count):
    homes.wait_for(lambda: len(homes.paths(home.done)) >= count, f"{count} are done")


def check(home, count):
    rows = homes.rows(home)
    assert len(rows) == len({row.path for row in rows}) == count
    assert {row.state for row in rows} <= {State.DONE, State.DUPLICATE}
    assert len(homes.paths(home.outbox)) == count


@pytest.mark.skipif(not QUEUE.exists(), reason="the events of Linux are meant")
def test_more_events_than_the_system_keeps_make_a_scan(tmp_path, daemons):
    """While the daemon cannot listen, so many come that those of the last pictures are dropped."""
    home = daemons.make_home(tmp_path / "home", intake={"watch": "events", "rescan_seconds": LONG})
    log = tmp_path / "log"
    with daemons.running(home, log):
        daemons.signal(signal.SIGSTOP)
        for number in range(int(QUEUE.read_text()) + 100):
            os.close(os.open(home.inbox / f"{number % 2}.part", os.O_CREAT | os.O_WRONLY))
            os.unlink(home.inbox / f"{number % 2}.part")
        for seed in range(40):
            homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
        daemons.signal(signal.SIGCONT)
        done(home, 40)
    check(home, 40)
    tally("more events than the system keeps", tried=1)


def test_pictures_come_through_although_the_listening_has_died(tmp_path, daemons):
    """An exception in it ends watchdog's thread, and no event comes any more; scans find what it does not tell."""
    home = daemons.make_home(tmp_path / "home", intake={"watch": "events", "rescan_seconds": 1})
    log, broken = tmp_path / "log", tmp_path / "home" / "break listening"
    with daemons.running(home, log):
        broken.touch()
        homes.drop(home.inbox, "first.png", homes.picture("red", 99))
        homes.wait_for(lambda: "the listening is broken" in said(log), "the thread has died")
        broken.unlink()
        for seed in range(39):
            homes.drop(home.inbox, f"{seed % 3}/{seed}.png", homes.picture("red", seed))
        done(home, 40)
    check(home, 40)
    tally("the thread that hears of events is killed", tried=1)


@pytest.fixture
def few_watches(tmp_path_factory):
    """Daemons of a user who may watch five folders at a time."""
    before = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"',
        "-",
    ]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*before, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("the number of watches cannot be limited here")
    daemons = Daemons(tmp_path_factory.mktemp("few"), before)
    yield daemons
    daemons.close()


@pytest.mark.parametrize("when", ["at the start", "later"])
def test_more_folders_than_may_be_watched_are_scanned(tmp_path, few_watches, when):
    """watchdog passes over those that it may not watch, in silence."""
    home = few_watches.make_home(tmp_path / "home", intake={"watch": "events", "rescan_seconds": 1})
    if when == "at the start":
        for number in range(8):
            (home.inbox / f"{number}").mkdir()
    with few_watches.running(home, tmp_path / "log"):
        for seed in range(40):
            homes.drop(home.inbox, f"{seed % 8}/{seed}.png", homes.picture("red", seed))
        done(home, 40)
    check(home, 40)
    tally("more folders than the system lets be watched", tried=1)


@pytest.fixture
def quick_folder(tmp_path):
    """On a disk in memory, if there is one."""
    with tempfile.TemporaryDirectory(dir=OTHER_DISK if OTHER_DISK.is_dir() else tmp_path) as name:
        yield Path(name)


def test_a_backlog_of_any_size_takes_the_same_memory(quick_folder, daemons):
    """Hard links of a few pictures, so that the files are many and their bytes few."""
    peaks = {}
    for count in (FEW, MANY):
        home = daemons.make_home(
            quick_folder / f"{count}", intake={"originals": "delete"}, inference={"batch_size": 32}
        )
        for seed in range(8):
            (quick_folder / f"{count} {seed}").write_bytes(homes.picture("red", seed))
        for number in range(count):
            os.link(quick_folder / f"{count} {number % 8}", home.inbox / f"{number}.png")
        with daemons.running(home, quick_folder / "log"):
            homes.wait_for(lambda: len(os.listdir(home.inbox)) == 1, "all are taken", 280)  # noqa: B023
            homes.wait_for(lambda: len(homes.rows(home)) == count, "all are recorded", 60)  # noqa: B023
            status = Path(f"/proc/{daemons.number}/status").read_text()
            peaks[count] = int(status.partition("VmHWM:")[2].split()[0])
        check(home, count)
    assert peaks[MANY] <= MOST_MEMORY * peaks[FEW], peaks
    tally("a backlog of thousands at the start", tried=MANY)
