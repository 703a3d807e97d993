"""A new current version of a model, taken up while the daemon works.

Each picture keeps the model that decoded it, and a batch is of one model, so the new version begins with the
pictures that are claimed after it was put in place, and the old one is let go with its last batch.
"""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import structlog

from watcher.errors import ModelError
from watcher.models.package import first_line
from watcher.service.note import Behind

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.models.registry import Registry
    from watcher.service.bench import Bench
    from watcher.service.note import DaemonNote
    from watcher.vision.vision import Vision

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# A version that was refused for what this machine lacked (memory, a share) is tried again, changed or not.
REFUSED_SECONDS = 600.0


class Renewal:
    """Loads what has become current, in a thread of its own, while the version before it goes on working."""

    def __init__(
        self,
        bench: Bench,
        registry: Registry,
        load: Callable[[str], Vision],
        note: DaemonNote,
        clock: Callable[[], float],
    ) -> None:
        self._bench = bench
        self._registry = registry
        self._load = load
        self._note = note
        self._clock = clock
        self._marks: dict[str, object] = {}
        self._again: dict[str, float] = {}
        self._behind: dict[str, Behind] = {}
        self._replaced: list[weakref.ref[Vision]] = []

    def keep_looking(self, stop: threading.Event) -> None:
        """Looks once a second until `stop`."""
        while not stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Takes up what has changed since the last look; where nothing has, that costs three looks at the disk."""
        self._let_go()
        for name, working in self._bench.loaded.items():
            mark = self._registry.mark(name)
            if mark == self._marks.get(name) and self._clock() < self._again.get(name, float("inf")):
                continue
            self._marks[name] = mark
            self._again.pop(name, None)
            try:
                self._renew(name, working, mark)
            except Exception as fault:  # noqa: BLE001  (TensorFlow raises whatever a GPU happens to lack)
                self._refuse(name, working, str(fault) if isinstance(fault, ModelError) else first_line(fault))

    def _let_go(self) -> None:
        """Frees the memory of versions whose last batch is done: Keras and TensorFlow leave circles behind."""
        if any(vision() is None for vision in self._replaced):
            gc.collect()
            self._replaced = [vision for vision in self._replaced if vision() is not None]

    def _renew(self, name: str, working: Vision, mark: object) -> None:
        wanted = self._registry.current(name).card
        before = working.package.card
        if (wanted.version, wanted.digest) != (before.version, before.digest):
            new = self._load(name)
            if self._registry.mark(name) != mark:  # changed again meanwhile: the next look sees to that
                del self._marks[name]
                return
            self._bench.replace(name, new)
            log.info("a new version is at work", model=new.package.id, before=working.package.id)
            self._replaced.append(weakref.ref(working))
        self._tell(name, None)

    def _refuse(self, name: str, working: Vision, reason: str) -> None:
        self._again[name] = self._clock() + REFUSED_SECONDS
        behind = Behind(name, working.package.card.version, reason)
        if self._behind.get(name) != behind:
            log.warning(
                "the current version cannot be used; an earlier one goes on", model=working.package.id, reason=reason
            )
        self._tell(name, behind)

    def _tell(self, name: str, behind: Behind | None) -> None:
        if self._behind.get(name) == behind:
            return
        if behind:
            self._behind[name] = behind
        else:
            del self._behind[name]
        self._note.fall_behind(self._behind.values())
