"""The models at work: loaded when they are needed, left in peace for a while where they cannot be loaded or run."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from watcher.errors import ModelError, ModelMissing
from watcher.models.package import first_line
from watcher.service import patience
from watcher.service.apart import EngineFault, must_run
from watcher.service.note import Working
from watcher.service.watch import Timing, untimed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watcher.vision.vision import Vision

log = structlog.get_logger()

# How long a model that is here and could not be loaded is left in peace.
REFUSED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    until: float
    vision: Vision | None = None
    """Which one cannot be run; None where it could not be loaded."""


@dataclass(frozen=True, slots=True)
class _Pause:
    seconds: float
    until: float


class Bench:
    """The models at work, each loaded when its first picture comes.

    `tell` is given them, `trouble` why one of them that is here cannot be used, and with no reason that it can
    again. `timing` is for trying one that could not be run.
    """

    def __init__(
        self,
        load: Callable[[str], Vision],
        clock: Callable[[], float],
        tell: Callable[[Iterable[Working]], None] = lambda _: None,
        trouble: Callable[[str, str | None], None] = lambda *_: None,
        timing: Timing = untimed,
    ) -> None:
        self._load = load
        self._clock = clock
        self._tell = tell
        self._trouble = trouble
        self._timing = timing
        self._changing = threading.RLock()
        self._loaded: dict[str, Vision] = {}
        self._refused: dict[str, _Refusal] = {}
        self._pauses: dict[str, _Pause] = {}
        self._came_back = False

    def vision(self, model: str) -> Vision | None:
        """The model, ready; None, with a line in the log, while it is not here or cannot be loaded or run."""
        refusal = self._refused.get(model)
        if refusal and (refusal.vision or self._clock() < refusal.until):
            return None
        if loaded := self._loaded.get(model):
            return loaded
        try:
            vision = self._load(model)
        except Exception as fault:  # noqa: BLE001  (TensorFlow raises whatever a GPU happens to lack)
            self._refuse_to_load(model, fault)
            return None
        self.replace(model, vision)
        return vision

    @property
    def loaded(self) -> dict[str, Vision]:
        """The models that were loaded, as they are now."""
        return dict(self._loaded)

    @property
    def refused(self) -> dict[str, str]:
        """Why models that pictures have come for cannot be used at the moment."""
        return {model: refusal.reason for model, refusal in list(self._refused.items())}

    @property
    def obstacle(self) -> str | None:
        """Why no model can be used at the moment, where pictures have come and none can."""
        refused = self.refused
        return None if self.loaded.keys() - refused.keys() else next(iter(refused.values()), None)

    def replace(self, model: str, vision: Vision) -> None:
        """Puts a new version in place, from any thread; pictures that were given the old one keep it."""
        with self._changing:
            self._loaded[model] = vision
            self._pauses.pop(model, None)
            self._accept(model)
            self._tell(_working(name, loaded) for name, loaded in self._loaded.items())

    def try_again(self) -> None:
        """Forgets what was refused: something about the models has changed."""
        with self._changing:
            self._refused = {model: replace(refusal, until=0.0) for model, refusal in self._refused.items()}

    def lay_off(self, model: str, vision: Vision, reason: str) -> None:
        """Leaves a model that cannot be run in peace; longer each time, if it had just been able to again."""
        with self._changing:
            if self._loaded.get(model) is vision:  # else a new version has taken its place meanwhile
                self._refuse_to_run(model, vision, reason)

    def rests(self, vision: Vision) -> bool:
        """Whether a model was laid off and has not come back."""
        return any(refusal.vision is vision for refusal in list(self._refused.values()))

    def came_back(self) -> bool:
        """Tries what was laid off, once its pause is over; whether any model has come back since the last call."""
        for model, refusal in list(self._refused.items()):
            if refusal.vision is None or self._clock() < refusal.until:
                continue
            fault = self._try_out(model, refusal.vision)
            with self._changing:
                if self._refused.get(model) is not refusal:
                    continue
                if fault:
                    self._refuse_to_run(model, refusal.vision, fault)
                else:
                    self._accept(model)
        came_back, self._came_back = self._came_back, False
        return came_back

    @property
    def next_try(self) -> float:
        """When `came_back` has something to do, on the monotonic clock."""
        return min((refusal.until for refusal in list(self._refused.values()) if refusal.vision), default=math.inf)

    def _try_out(self, model: str, vision: Vision) -> str | None:
        try:
            with self._timing(f"trying the model {model}", 1):
                must_run(vision)
        except EngineFault as fault:
            return str(fault)
        return None

    def _refuse_to_load(self, model: str, fault: Exception) -> None:
        reason = str(fault) if isinstance(fault, ModelError) else f"{model} cannot be loaded: {first_line(fault)}"
        with self._changing:
            if model not in self._refused:
                log.warning("a model cannot be used; its pictures wait", model=model, reason=reason)
            if isinstance(fault, ModelMissing):  # to see that costs nothing, so the next picture may ask again
                self._refused[model] = _Refusal(reason, 0.0)
            else:
                self._refused[model] = _Refusal(reason, self._clock() + REFUSED_SECONDS)
                self._trouble(_using(model), reason)

    def _refuse_to_run(self, model: str, vision: Vision, reason: str) -> None:
        if self._refused.get(model, _Refusal("", 0.0)).reason != reason:
            log.error("a model cannot be run now; its pictures wait until it can", model=model, reason=reason)
            self._trouble(_using(model), reason)
        now, before = self._clock(), self._pauses.get(model)
        grows = before is not None and now < before.until + patience.LONGEST_PAUSE_SECONDS
        seconds = patience.longer(before.seconds) if before and grows else patience.FIRST_PAUSE_SECONDS
        self._pauses[model] = _Pause(seconds, now + seconds)
        self._refused[model] = _Refusal(reason, now + seconds, vision)

    def _accept(self, model: str) -> None:
        if self._refused.pop(model, None):
            log.info("a model can be used again", model=model)
            self._trouble(_using(model), None)
            self._came_back = True


def _using(model: str) -> str:
    return f"using the model {model}"


def _working(name: str, vision: Vision) -> Working:
    return Working(name, vision.package.card.version, vision.engine.name)
