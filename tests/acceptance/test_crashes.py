"""SIGKILL, again and again, while people drop pictures in every way they know: nothing is lost, nothing doubled."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path

import homes

from watcher.home import Home
from watcher.results import State

KILLS = int(os.environ.get("WATCHER_TEST_KILLS", "3"))
EACH = 34  # pictures in each of the ways


class People:
    """Drop pictures, in all ways at once; `sources` are what they dropped."""

    def __init__(self, home: Home, desk: Path) -> None:
        self.inbox = home.inbox
        self.desk = desk
        self.sources: dict[str, bytes] = {}
        self.seeds = count()
        ways = (self.copy, self.copy_slowly, self.rename, self.move_folders, self.link, self.drop_one_name)
        self.threads = [threading.Thread(target=way) for way in ways]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(homes.PATIENCE_SECONDS)
            assert not thread.is_alive()

    def paint(self, path: str) -> bytes:
        self.sources[path] = homes.picture(("red", "green", "blue")[len(path) % 3], next(self.seeds))
        return self.sources[path]

    def put_down(self, path: str) -> Path:
        """A picture on the desk, to be dropped as `path`."""
        source = self.desk / path.replace("/", "-")
        source.write_bytes(self.paint(path))
        return source

    def copy(self) -> None:
        (self.inbox / "copied").mkdir()
        for number in range(EACH):
            shutil.copyfile(self.put_down(f"copied/{number}.png"), self.inbox / f"copied/{number}.png")
            time.sleep(0.2)

    def copy_slowly(self) -> None:
        (self.inbox / "slow").mkdir()
        for number in range(EACH):
            data = self.paint(f"slow/{number}.png")
            with (self.inbox / f"slow/{number}.png").open("wb", buffering=0) as file:
                for start in range(0, len(data), len(data) // 3):
                    file.write(data[start : start + len(data) // 3])
                    time.sleep(0.1)

    def rename(self) -> None:
        for number in range(EACH):
            homes.drop(self.inbox, f"renamed/{number}.png", self.paint(f"renamed/{number}.png"))
            time.sleep(0.2)

    def move_folders(self) -> None:
        for number in range(2):
            folder = self.desk / f"folder {number}"
            (folder / "deeper").mkdir(parents=True)
            for page in range(EACH // 2):
                path = f"folder {number}/deeper/{page}.png"
                (self.desk / path).write_bytes(self.paint(path))
            folder.rename(self.inbox / folder.name)
            time.sleep(3)

    def link(self) -> None:
        (self.inbox / "linked").mkdir()
        for number in range(EACH):
            os.link(self.put_down(f"linked/{number}.png"), self.inbox / f"linked/{number}.png")
            time.sleep(0.2)

    def drop_one_name(self) -> None:
        """As soon as one was taken the next has its name, however far the first has come."""
        for number in range(EACH):
            homes.drop(self.inbox, "again.png", self.paint(f"again.png {number}"))
            homes.wait_for(lambda: not (self.inbox / "again.png").exists(), "the one before is taken")


def digests(folder: Path) -> Counter[str]:
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file())


def test_every_picture_is_done_once_whatever_dies_on_the_way(tmp_path: Path, tiny_home_models: Path) -> None:
    """One row, one annotated copy and the untouched original of each, and an empty claim folder."""
    home = homes.make(
        tmp_path / "home",
        tiny_home_models,
        inference={"batch_size": 8},
        intake={"watch": "auto", "settle_seconds": 0.5},
    )
    (tmp_path / "desk").mkdir()
    people = People(home, tmp_path / "desk")
    homes.run_once(home)
    people.start()
    for kill in range(KILLS):
        with homes.daemon_process(home) as daemon:
            before = len(homes.rows(home))
            homes.wait_for(lambda: len(homes.rows(home)) >= before + 5 + 4 * kill, "it works")  # noqa: B023
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
    with homes.daemon_process(home) as daemon:
        people.join()
        dropped = len(people.sources)
        homes.wait_for(lambda: len(homes.paths(home.done)) >= dropped, "all are done")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(homes.PATIENCE_SECONDS) == 0
    rows = homes.rows(home)
    assert Counter(row.path for row in rows) == Counter(
        path.partition(" ")[0] if "again" in path else path for path in people.sources
    )
    assert {row.state for row in rows} == {State.DONE}
    assert len({row.outbox_path for row in rows}) == dropped
    assert homes.paths(home.outbox) == {(row.outbox_path or "").removeprefix("outbox/") for row in rows}
    assert digests(home.done) == Counter(hashlib.sha256(data).hexdigest() for data in people.sources.values())
    assert homes.paths(home.inbox) == homes.paths(home.failed) == set()
    status = homes.watcher_json("status", home=home.root)
    assert (status["done"], status["total"]) == (dropped, dropped)
