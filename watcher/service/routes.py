"""From where a picture lay to the model that looks at it, and the models themselves once they are loaded."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import structlog

from watcher.errors import ModelError, ModelMissing
from watcher.intake.names import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.models.registry import Registry
    from watcher.settings import Models
    from watcher.vision.vision import Vision

log = structlog.get_logger()

# How long a model that is here and could not be loaded is left in peace.
REFUSED_SECONDS = 30.0


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


class Bench:
    """The models at work, each loaded when its first picture comes; `tell` is given their versions."""

    def __init__(
        self,
        load: Callable[[str], Vision],
        clock: Callable[[], float],
        tell: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self._load = load
        self._clock = clock
        self._tell = tell
        self._telling = threading.Lock()
        self._loaded: dict[str, Vision] = {}
        self._refused: dict[str, float] = {}

    def vision(self, model: str) -> Vision | None:
        """The model, ready; None, with a line in the log, while it is not here or cannot be loaded."""
        if model in self._loaded:
            return self._loaded[model]
        if self._clock() < self._refused.get(model, 0.0):
            return None
        try:
            vision = self._load(model)
        except ModelError as fault:
            if model not in self._refused:
                log.warning("a model cannot be used; its pictures wait", model=model, reason=str(fault))
            # To see that a model is not here costs nothing, so the next picture may ask again.
            again = 0.0 if isinstance(fault, ModelMissing) else self._clock() + REFUSED_SECONDS
            self._refused[model] = again
            return None
        self._refused.pop(model, None)
        self.replace(model, vision)
        return vision

    @property
    def loaded(self) -> dict[str, Vision]:
        """The models that were loaded, as they are now."""
        return dict(self._loaded)

    def replace(self, model: str, vision: Vision) -> None:
        """Puts a new version in place, from any thread; pictures that were given the old one keep it."""
        with self._telling:
            self._loaded[model] = vision
            self._tell({name: loaded.package.card.version for name, loaded in self._loaded.items()})

    def try_again(self) -> None:
        """Forgets what was refused: something about the models has changed."""
        self._refused = dict.fromkeys(self._refused, 0.0)
