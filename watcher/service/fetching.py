"""Built-in models that the settings name and that are not here: fetched at the start, and again until they have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from watcher.clock import utc
from watcher.errors import ModelError
from watcher.models.builtin import fetch, fetchable, needs_download
from watcher.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from threading import Event

    from watcher.models.registry import Registry
    from watcher.service.routes import Routes

log = structlog.get_logger()

AGAIN_SECONDS = 600.0


class Fetching:
    """Fetches what the routes name."""

    def __init__(self, registry: Registry, routes: Routes) -> None:
        self._registry = registry
        self._routes = routes
        self._missing: dict[str, str] = {}
        self._repeated = Repeated()

    def obstacle(self, loaded: Collection[str]) -> str | None:
        """Why no picture can be taken, where no model is loaded and one of these could not be fetched."""
        return None if loaded else next(iter(self._missing.values()), None)

    def fetch(self, *, downloads: bool = True) -> bool:
        """Whether any model came."""
        came = False
        for model in sorted(self._routes.models & fetchable()):
            if self._registry.has(model) or (needs_download(model) and not downloads):
                continue
            try:
                log.info("model fetched", model=fetch(self._registry, model, utc()).id)
                came = True
                self._missing.pop(model, None)
            except (ModelError, OSError) as fault:
                self._missing[model] = f"the model {model} is missing: {fault}"
                facts = {"model": model, "reason": str(fault)}
                self._repeated.say(model, log.warning, "a model is missing; its pictures wait", **facts)
        return came

    def keep_fetching(self, stop: Event, came: Callable[[], None]) -> None:
        """Until `stop`; `came` is called whenever one has come."""
        while not stop.is_set():
            if self.fetch():
                came()
            stop.wait(AGAIN_SECONDS)
