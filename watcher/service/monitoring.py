"""By what a running daemon is watched from outside, beside systemd: Prometheus, a file, a look at /readyz."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector

from watcher.service.counting import Counting
from watcher.service.first_sights import FirstSights
from watcher.service.metrics import Figures
from watcher.service.serving import Pages, listening
from watcher.service.textfile import kept_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.home import Home
    from watcher.service.health import Health
    from watcher.service.tally import Tally


@contextmanager
def monitored(home: Home, health: Health, tally: Tally) -> Iterator[None]:
    """Told while the block runs, as the settings say. That something of it is not possible is only logged.

    Address and file belong to the home, so its lock must be held.
    """
    settings, registry = home.settings.metrics, CollectorRegistry()
    sights = FirstSights()
    with ExitStack() as stack:
        if settings.listen or settings.textfile:
            registry.register(Figures(Counting(home, sights), sights, health))
            registry.register(tally.registry)
            ProcessCollector(registry=registry)
        if settings.listen:
            stack.enter_context(listening(settings.listen, Pages(registry, health)))
        if settings.textfile:
            stack.enter_context(kept_up(home.root / settings.textfile, registry))
        yield


def doing(home: Home, tally: Tally) -> str:
    """What a daemon does while nothing is wrong, for systemd."""
    return f"Taking pictures from {home.inbox}; {tally.pictures:,} finished since the start"
