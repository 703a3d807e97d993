"""Homes, pictures and a model that costs nothing: what the benchmarks of the daemon share."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import homes
import numpy as np

from watcher.home import Home
from watcher.intake.filters import has_picture_ending
from watcher.models.engines.kept import processor
from watcher.models.package import Package
from watcher.models.registry import Registry
from watcher.results import Database
from watcher.service.daemon import Daemon
from watcher.vision import vision as visions
from watcher.vision.vision import Vision

MOST_MEGAPIXELS = 100.0


class FreeEngine:
    """Gives every picture the same scores, at once."""

    name = "free"

    def __init__(self, labels: int) -> None:
        self._row = np.full(labels, 0.3 / (labels - 1), np.float32)
        self._row[0] = 0.7

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        return np.tile(self._row, (len(pixels), 1))


def free_vision(package: Package, batch_size: int = 32) -> Vision:
    """All of `Vision` but what its model computes."""
    real = visions.open_engine
    visions.open_engine = lambda package, _: FreeEngine(len(package.card.labels))
    try:
        return Vision(package, "graph", batch_size, MOST_MEGAPIXELS)
    finally:
        visions.open_engine = real


def make(root: Path, models: Path, model: str, **sections: dict[str, Any]) -> Home:
    """A home that takes pictures at once, with its database; `sections` change its settings."""
    plain = {
        "intake": {"settle_seconds": 0.0, "watch": "scan", "rescan_seconds": 1},
        "models": {"default": model, "routes": {}},
        "inference": {"batch_size": 32},
    }
    sections = {name: plain.get(name, {}) | sections.get(name, {}) for name in {*plain, *sections}}
    home = homes.make(root, models, **sections)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
    return home


def copies(pictures: Sequence[Path], inbox: Path, count: int) -> None:
    """Puts so many files into an inbox, no two of one content: to a picture that comes again some bytes are added."""
    for number, path in enumerate(itertools.islice(itertools.cycle(pictures), count)):
        turn = number // len(pictures)
        target = inbox / f"{number:06}{path.suffix.lower()}"
        shutil.copyfile(path, target)
        if turn:
            with target.open("ab") as file:
                file.write(turn.to_bytes(4, "big"))


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processors."""

    wall: float
    cpu: float


@contextmanager
def measured() -> Iterator[list[Cost]]:
    """What the block costs this process, all threads together; in the list once it has ended."""
    found: list[Cost] = []
    begun, used = time.perf_counter(), _used()
    yield found
    found.append(Cost(time.perf_counter() - begun, _used() - used))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def empty(home: Home, load: Callable[[str], Vision] | None = None) -> None:
    """Has a daemon in this process empty the inbox."""
    Daemon(home, lambda _: None, threading.Event(), threading.Event(), load).run(once=True)


def package_of(models: Path, model: str) -> Package:
    return Registry(models).current(model)


def machine() -> str:
    """The processor, in words."""
    return f"{os.cpu_count()} cores of {processor()}"


def found(folder: Path) -> list[Path]:
    """The pictures below a folder, in an order that mixes its sub-folders."""
    files = [path for path in folder.rglob("*") if has_picture_ending(path.name)]
    return sorted(files, key=lambda path: path.name[::-1])
