"""From where a picture lay to the model that looks at it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.errors import ModelError
from watcher.intake.names import clean

if TYPE_CHECKING:
    from watcher.models.registry import Registry
    from watcher.settings import Models


class Routes:
    """The first folder below the inbox names a route, the rest is the picture's group."""

    def __init__(self, settings: Models, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    @property
    def models(self) -> set[str]:
        return {self._settings.default, *self._settings.routes.values()}

    def model_of(self, path: str) -> str:
        """The model for the picture at `path`, raw and relative to the inbox."""
        first, _, rest = path.partition(os.sep)
        return self._settings.routes.get(first, self._settings.default) if rest else self._settings.default

    def route_of(self, path: str) -> str | None:
        """The route of the picture at `path`, if it came by one."""
        first, _, rest = path.partition(os.sep)
        return first if rest and first in self._settings.routes else None

    def group_of(self, path: str) -> str:
        """The picture's group as clean text: its folders, less the route. Empty at the top."""
        folder = os.path.dirname(path)
        first, _, rest = folder.partition(os.sep)
        return clean(rest if first in self._settings.routes else folder)

    def obstacles(self) -> dict[str, str]:
        """For each model of the settings that is not here or is damaged: what to do about it."""
        found: dict[str, str] = {}
        for name in sorted(self.models):
            try:
                self._registry.current(name)
            except ModelError as fault:
                found[name] = str(fault)
        return found
