"""Figures for monitoring, in Prometheus' text format: how many pictures are in each state, and what is not possible."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from watcher.errors import WatcherError
from watcher.service.status import STATES, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from watcher.home import Home
    from watcher.service.status import Status

log = structlog.get_logger()

# To count what waits takes a look through the inbox; whoever asks more often gets the same answer.
KEEP_SECONDS = 15.0


class Figures(Collector):
    """The books of a home, as `watcher status` counts them. `clock` is monotonic."""

    def __init__(self, home: Home, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._clock = clock
        self._found: Status | None = None
        self._counted = float("-inf")

    def collect(self) -> Iterator[Metric]:
        """The figures; where the inbox or the database cannot be read, only that it is so."""
        readable = GaugeMetricFamily("watcher_readable", "1 if the inbox and the database can be read, else 0")
        try:
            found = self._status()
        except (WatcherError, OSError) as fault:
            log.warning("the figures for monitoring are incomplete", reason=str(fault))
            readable.add_metric([], 0)
            yield readable
            return
        readable.add_metric([], 1)
        yield readable
        pictures = GaugeMetricFamily(
            "watcher_pictures", "Pictures that ever came, by what became of them", labels=["state"]
        )
        for state in STATES:
            pictures.add_metric([state], getattr(found, state))
        yield pictures
        left = GaugeMetricFamily("watcher_left_alone", "Files in the inbox that Watcher never takes")
        left.add_metric([], found.left_alone)
        yield left
        troubles = GaugeMetricFamily("watcher_trouble", "What is not possible at the moment, each 1", labels=["what"])
        for trouble in found.troubles:
            troubles.add_metric([trouble.what], 1)
        yield troubles

    def _status(self) -> Status:
        now = self._clock()
        if self._found is None or now > self._counted + KEEP_SECONDS:
            self._found, self._counted = None, now
            self._found = status(self._home)
        return self._found


@contextmanager
def served(home: Home) -> Iterator[None]:
    """Serves the figures at `[metrics] listen` while the block runs, or nothing; that it cannot is only logged."""
    server = None
    if listen := home.settings.metrics.listen:
        host, _, port = listen.rpartition(":")
        registry = CollectorRegistry()
        registry.register(Figures(home))
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), registry)
            log.info("figures for monitoring", address=f"http://{listen}/metrics")
        except OSError as fault:
            log.error("no figures for monitoring", listen=listen, reason=fault.strerror or str(fault))
    try:
        yield
    finally:
        if server:
            server.shutdown()
            server.server_close()
            thread.join()
