"""Loading a model as the settings want it run; the first time on a machine, its engines are tried."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from watcher.clock import utc
from watcher.models.engines.kept import kept
from watcher.service import pulse
from watcher.vision.trying import try_engines
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from watcher.home import Home
    from watcher.models.package import Package
    from watcher.models.registry import Registry
    from watcher.service.pulse import Pulses
    from watcher.service.watch import Watch

log = structlog.get_logger()


class Loader:
    """Loads models, in any thread. `loaded` is what gives one; by default Keras, as the settings say.

    `tell` is told while pictures wait for engines to be tried.
    """

    def __init__(
        self,
        home: Home,
        registry: Registry,
        stop: Event,
        tell: Callable[[str, str | None], None],
        watch: Watch,
        pulses: Pulses,
        loaded: Callable[[str], Vision] | None = None,
    ) -> None:
        self._home = home
        self._registry = registry
        self._stop = stop
        self._tell = tell
        self._watch = watch
        self._pulses = pulses
        self._loaded = loaded or self._by_keras
        self._waited_for: str | None = None

    def now(self, model: str) -> Vision:
        """The model, ready, while pictures wait for it, however long that takes. Raises what loading it raises."""
        self._waited_for = model
        try:
            with self._watch.paused(), self._pulses.during(f"loading the model {model}", pulse.ANSWER_SECONDS):
                return self._loaded(model)
        finally:
            self._waited_for = None

    def beside(self, model: str) -> Vision:
        """The same while a version that was loaded before goes on working."""
        return self._loaded(model)

    @property
    def obstacle(self) -> str | None:
        """Why pictures wait, if it is for a model."""
        return f"the model {self._waited_for} is being loaded" if self._waited_for else None

    def _by_keras(self, model: str) -> Vision:
        settings, package = self._home.settings, self._registry.current(model)
        engine, batch_size, heat = settings.inference.engine, settings.inference.batch_size, settings.heats(model)
        if engine == "auto":
            with self._told(package, batch_size):
                choice = try_engines(package, batch_size, utc(), given_up=self._stop.is_set)
            engine = choice.taken(heat=heat)
        vision = Vision(package, engine, batch_size, settings.intake.max_megapixels, heat=heat)
        log.info("model loaded", model=vision.package.id, engine=vision.engine.name)
        return vision

    @contextmanager
    def _told(self, package: Package, batch_size: int) -> Iterator[None]:
        """Tells why pictures wait, where they wait and there is anything to try."""
        if self._waited_for != package.card.name or kept(package, batch_size):
            yield
            return
        what = f"classifying with {package.card.name}"
        self._tell(what, f"trying the engines of {package.card.name}, once on this machine, which can take minutes")
        try:
            yield
        finally:
            self._tell(what, None)
