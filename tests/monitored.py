"""What tests of monitoring share: a home that is watched without a daemon, and who asks it over HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import homes
from prometheus_client.parser import text_string_to_metric_families

from watcher.home import Home
from watcher.intake.inbox import LastScan
from watcher.service.health import Health
from watcher.service.monitoring import monitored
from watcher.service.note import DaemonNote
from watcher.service.pulse import Pulses
from watcher.service.tally import Tally
from watcher.service.work import Queue

Figures = dict[tuple[str, ...], float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening_home(root: Path, models: Path) -> Home:
    """Whose inbox can be read, though no daemon has ever run."""
    listen = f"127.0.0.1:{free_port()}"
    home = homes.make(root, models, metrics={"listen": listen}, models={"routes": {"gone": "absent"}})
    (home.inbox / ".watcher").mkdir()
    return home


def ask(home: Home, path: str, method: str = "GET") -> tuple[int, str]:
    host, _, port = home.settings.metrics.listen.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=homes.PATIENCE_SECONDS)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.status, answer.read().decode()
    connection.close()
    return body


def figures(home: Home) -> Figures:
    """Values by name and labels."""
    families = list(text_string_to_metric_families(ask(home, "/metrics")[1]))
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def answers(home: Home) -> bool:
    host, _, port = home.settings.metrics.listen.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


class Idle:
    """A loop with nothing in hand."""

    def queues(self) -> list[Queue]:
        return [Queue("pictures_claimed", 3, 16)]

    def last_scan(self) -> LastScan | None:
        return LastScan(0.25, 10)


class Watched:
    """What a daemon has for whoever watches it, without the daemon."""

    def __init__(self, home: Home) -> None:
        self.pulses, self.note, self.tally, self.stop = Pulses(), DaemonNote(home.root), Tally(), threading.Event()
        self.health = Health(self.pulses, self.note, self.stop)


@contextmanager
def watched(home: Home) -> Iterator[Watched]:
    it = Watched(home)
    with monitored(home, it.health, it.tally):
        homes.wait_for(lambda: answers(home), "it listens")
        yield it
