"""A daemon that systemd, Kubernetes or a person keeps an eye on: it says how it fares, and a part that is dead is noticed.

Each daemon here is a process of its own; where it is to be thought dead after half a second of silence, not an hour.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import homes
import pytest
from lasting import HERE, said
from tiny_model import install

from watcher.home import Home

PING_SECONDS = 0.1
SILENCE_SECONDS = 1.0
MOST_SILENCE_SECONDS = 10.0  # a slow machine's


class Ear:
    """What systemd hears, as it has it: datagrams on a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.heard: list[tuple[float, str, str]] = []

    def listen(self) -> Ear:
        """Takes in what has come."""
        while True:
            try:
                message = self._socket.recv(4096).decode()
            except BlockingIOError:
                return self
            fields = (line.partition("=") for line in message.split("\n"))
            self.heard += [(time.monotonic(), name, value) for name, _, value in fields]

    def all(self, name: str) -> list[str]:
        return [value for _, field, value in self.listen().heard if field == name]

    def wait_for(self, name: str, times: int = 1) -> None:
        homes.wait_for(lambda: len(self.all(name)) >= times, f"{name} is heard")

    def wait_for_status(self, words: str) -> None:
        homes.wait_for(lambda: any(words in status for status in self.all("STATUS")), f"the status says {words}")

    def wait_for_silence(self) -> None:
        def silent() -> bool:
            last = max(at for at, name, _ in self.listen().heard if name == "WATCHDOG")
            return time.monotonic() > last + SILENCE_SECONDS

        homes.wait_for(silent, "no ping is heard any more")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(tmp_path / "notify")
    yield ear
    ear.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    install(tmp_path / "models")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metrics = {"listen": f"127.0.0.1:{port}"}
    return homes.make(tmp_path / "home", tmp_path / "models", metrics=metrics, inference={"timeout_seconds": 1})


@contextmanager
def tended(home: Home, ear: Ear) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon whose watchdog is to be pinged every tenth of a second."""
    more = {"NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": str(int(2e6 * PING_SECONDS))}
    path = os.pathsep.join(filter(None, [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH")]))
    with (home.root / "log").open("ab") as log:
        command = [sys.executable, HERE / "tended_daemon.py", home.root]
        environment = homes.unmeasured() | more | {"PYTHONPATH": path}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def page(home: Home, path: str) -> tuple[int, str]:
    address = f"http://{home.settings.metrics.listen}{path}"
    try:
        with urllib.request.urlopen(address, timeout=homes.PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_systemd_hears_when_it_is_ready_that_it_lives_and_when_it_ends(home: Home, ear: Ear) -> None:
    """In this order, with a sentence; and no process that it starts could speak for it."""
    with tended(home, ear) as process:
        ear.wait_for("READY")
        homes.drop(home.inbox, "a.png", homes.picture())
        homes.wait_for((home.done / "a.png").exists, "a picture is done")
        ear.wait_for_status(f"Taking pictures from {home.inbox}; 1 finished since the start")
        ear.wait_for("WATCHDOG", 10)
        assert page(home, "/healthz") == page(home, "/readyz") == (200, "ok\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(homes.PATIENCE_SECONDS) == 0
    names = [name for _, name, _ in ear.listen().heard]
    assert names[0] == "STATUS" and ear.all("STATUS")[0] == "Starting"
    assert [names.count(name) for name in ("READY", "STOPPING")] == [1, 1]
    assert names.index("EXTEND_TIMEOUT_USEC") < names.index("READY") < names.index("STOPPING")
    pings = [at for at, name, _ in ear.heard if name == "WATCHDOG"]
    assert max(later - at for at, later in pairwise(pings)) < MOST_SILENCE_SECONDS
    environment = json.loads((home.root / "environment").read_text())
    assert environment["PYTHONPATH"] and not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & environment.keys()


def test_a_start_that_waits_is_not_over_and_asks_for_more_time(home: Home, ear: Ear) -> None:
    """It lives, but takes no pictures, and says what it waits for; then it goes on."""
    home.inbox.rmdir()
    with tended(home, ear):
        ear.wait_for("EXTEND_TIMEOUT_USEC", 10)
        ear.wait_for_status("Waiting. reading the inbox: No such file or directory")
        assert page(home, "/healthz") == (200, "ok\n")
        status, reason = page(home, "/readyz")
        assert status == 503 and reason.startswith("reading the inbox: No such file or directory")
        assert ear.all("READY") == []
        home.inbox.mkdir()
        ear.wait_for("READY")
        homes.wait_for(lambda: page(home, "/readyz") == (200, "ok\n"), "it takes pictures")


@pytest.mark.parametrize(
    ("how", "part"),
    [("stop scanning", "the loop"), ("stop turning", "the scheduler"), ("end turning", "the scheduler")],
)
def test_nobody_hears_of_a_daemon_of_which_a_part_is_dead(home: Home, ear: Ear, how: str, part: str) -> None:
    """So systemd starts it again; one that hangs and goes on after all is alive."""
    with tended(home, ear):
        ear.wait_for("READY")
        ear.wait_for("WATCHDOG", 5)
        (home.root / how).touch()
        ear.wait_for_silence()
        status, reason = page(home, "/healthz")
        assert status == 503 and part in reason
        assert page(home, "/readyz")[0] == 503
        assert said(home.root / "log").count("a part of the daemon is dead") == 1
        if how.startswith("stop"):
            before = len(ear.all("WATCHDOG"))
            (home.root / how).unlink()
            ear.wait_for("WATCHDOG", before + 5)
            assert page(home, "/healthz") == (200, "ok\n")


def test_a_daemon_that_waits_for_the_world_lives(home: Home, ear: Ear) -> None:
    """However long: an outbox that cannot be written to is told of, and nothing is to be started anew for it."""
    home.outbox.rmdir()
    home.outbox.write_text("in the way")
    with tended(home, ear):
        ear.wait_for("READY")
        for seed in range(40):  # more than can be in hand
            homes.drop(home.inbox, f"{seed}.png", homes.picture(seed=seed))
        ear.wait_for_status("Waiting. writing to the outbox: ")
        until = time.monotonic() + 2 * SILENCE_SECONDS
        homes.wait_for(lambda: ear.listen() and time.monotonic() > until, "it has been waiting")
        assert page(home, "/healthz") == (200, "ok\n")
        assert page(home, "/readyz")[0] == 503
        pings = [at for at, name, _ in ear.listen().heard if name == "WATCHDOG"]
        assert max(later - at for at, later in pairwise(pings)) < MOST_SILENCE_SECONDS
        home.outbox.unlink()
        home.outbox.mkdir()
        homes.wait_for(lambda: len(homes.paths(home.done)) == 40, "all are done")
        homes.wait_for(lambda: page(home, "/readyz") == (200, "ok\n"), "it takes pictures")


def test_a_daemon_that_begins_anew_is_heard_by_whoever_heard_it_before(home: Home, ear: Ear) -> None:
    """It is the same process, so systemd has nothing to do."""
    with tended(home, ear) as process:
        ear.wait_for("READY")
        (home.root / "stop classifying").touch()
        homes.drop(home.inbox, "a.png", homes.picture())
        ear.wait_for("READY", 2)
        homes.wait_for((home.done / "a.png").exists, "the picture is done")
        ear.wait_for("WATCHDOG", len(ear.all("WATCHDOG")) + 5)
        assert process.poll() is None
    assert "starting anew" in said(home.root / "log")
