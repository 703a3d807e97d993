"""Random drops, taking back, retries, kills, full disks, a locked database, a share that goes: every picture is kept once.

WATCHER_TEST_SOAK says for how many seconds, WATCHER_TEST_SEED which chances.
"""

from __future__ import annotations

import os
import random
import sys
import time

import homes
import pytest
from accounts import wrong
from lasting import said
from ledger import tally
from mounting import bind, can_mount, disk, unmount
from people import People, visible
from trying import SEED
from weather import Weather

SECONDS = float(os.environ.get("WATCHER_TEST_SOAK", "20"))
ACTS_A_SECOND, TROUBLES_A_SECOND = 12, 1.5
SETTLE_SECONDS = 120.0
LEFT_UNDER_THE_SHARE = "nobody's picture.png"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home whose inbox is a share, and whose files stand on two small disks; all plain folders if nothing can be mounted."""
    near, far = tmp_path_factory.mktemp("near"), tmp_path_factory.mktemp("far")
    if not can_mount(near):
        yield near, far, False
        return
    size = f"{64 + int(SECONDS)}m"
    with disk(near, size), disk(far, size):
        yield near, far, True
        unmount(near / "home" / "inbox")


@pytest.fixture
def scene(place, daemons):
    """A home there, where people drop, and its share if there is one."""
    near, far, mounted = place
    folders = {kind: str(far / kind) for kind in ("outbox", "done", "failed")}
    home = daemons.make_home(near / "home", folders=folders, intake={"watch": "auto"})
    if not mounted:
        return home, home.inbox, None
    (home.inbox / LEFT_UNDER_THE_SHARE).write_bytes(homes.picture("red"))
    share = near / "share"
    share.mkdir()
    bind(share, home.inbox)
    return home, share, share


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS)
def test_whatever_happens_every_picture_is_kept_once(place, scene, daemons, tmp_path):
    near, far, mounted = place
    home, inbox, share = scene
    log, chance = tmp_path / "log", random.Random(SEED)
    people = People(chance, inbox, home.failed, near / "desk")
    weather = Weather(chance, daemons, home, log, share, (near, far) if mounted else ())
    daemons.start(home, log)
    try:
        soak(people, weather, chance)
        settle(inbox, log)
        assert daemons.end() == 0, said(log)[-5000:]
    finally:
        daemons.clear()
        weather.pass_(all_of_it=True)
        daemons.clear()
    story = f"seed {SEED}: {people.story}; {dict(weather.counts)}\n"
    sys.stdout.write(story)
    found = wrong(home, inbox, people)
    lost, doubled = (sum(each.kind == kind for each in found) for kind in ("lost", "doubled"))
    tally("a soak: random drops, kills and faults", tried=sum(weather.counts.values()), lost=lost, doubled=doubled)
    assert not found, story + "\n".join(map(str, found))
    verified = homes.watcher("verify", "--contents", home=home.root)
    assert verified.returncode == 0, story + verified.stdout + verified.stderr
    if mounted:
        unmount(home.inbox)
        assert homes.paths(home.inbox) == {LEFT_UNDER_THE_SHARE}


def soak(people, weather, chance):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        people.act()
        people.go_on_copying()
        weather.pass_()
        if chance.random() < TROUBLES_A_SECOND / ACTS_A_SECOND:
            weather.change()
        time.sleep(chance.uniform(0, 2 / ACTS_A_SECOND))
    weather.pass_(all_of_it=True)
    while people.are_copying:
        people.go_on_copying()


def settle(inbox, log):
    until = time.monotonic() + SETTLE_SECONDS
    while busy(inbox):
        assert time.monotonic() < until, said(log)[-5000:]
        time.sleep(0.1)


def busy(inbox):
    """Whether a picture waits or is in work."""
    claimed = [name for name in os.listdir(inbox / ".watcher") if not name.startswith(".")]
    return claimed or visible(inbox)
