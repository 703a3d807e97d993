"""What systemd is told: by its protocol, if it listens, and by nobody but this process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.service.systemd import Systemd


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        ear.settimeout(5)
        yield ear


@pytest.mark.parametrize("abstract", [False, True])
def test_one_message_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    """To a socket in a folder, or to one that is in none."""
    name = f"@watcher-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listening("\0" + name[1:] if abstract else name) as ear:
        Systemd({"NOTIFY_SOCKET": name}).say(READY=1, STATUS="all is well: é")
        assert ear.recv(4096).decode() == "READY=1\nSTATUS=all is well: é"


def test_a_sentence_is_one_line(tmp_path: Path) -> None:
    """What a fault says cannot be taken for a field of its own."""
    name = str(tmp_path / "notify")
    with listening(name) as ear:
        Systemd({"NOTIFY_SOCKET": name}).say(STATUS="bad\nSTOPPING=1\r\n")
        assert ear.recv(4096) == b"STATUS=bad STOPPING=1"


@pytest.mark.parametrize("name", ["", "vsock:2:3", "relative", "/nobody/listens", "/" + 200 * "x"])
def test_where_nobody_listens_nothing_happens(name: str) -> None:
    """Nor is anything raised."""
    Systemd({"NOTIFY_SOCKET": name}).say(READY=1)


def test_one_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """Its queue is full after a few messages."""
    name = str(tmp_path / "notify")
    with listening(name):
        systemd = Systemd({"NOTIFY_SOCKET": name})
        for _ in range(5000):
            systemd.say(STATUS=1000 * "x")


def test_what_it_said_is_taken_out_of_the_environment_and_can_be_handed_on() -> None:
    """The watchdog counts only for the process that is meant."""
    said = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    environment = said | {"PATH": "/bin"}
    systemd = Systemd.taken_from(environment)
    assert environment == {"PATH": "/bin"} and systemd.environment == said
    assert systemd.watchdog_seconds == 3
    assert Systemd(said | {"WATCHDOG_PID": "1"}).watchdog_seconds is None


@pytest.mark.parametrize("microseconds", ["0", "-1", "", "soon"])
def test_a_watchdog_that_makes_no_sense_is_none(microseconds: str) -> None:
    """Nobody is pinged then."""
    assert Systemd({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": microseconds}).watchdog_seconds is None
