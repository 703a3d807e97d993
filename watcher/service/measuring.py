"""What this machine can do: each stage of a picture's way by itself, the model alone, and the daemon as a whole.

All of it happens in a home of its own, which is removed afterwards.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.home import make_home, open_home
from watcher.intake.filters import has_picture_ending
from watcher.results import Database, State
from watcher.service.daemon import Daemon
from watcher.service.stages import StageByStage
from watcher.settings import DatabaseSettings, Folders, Inference, Intake, Models, Settings
from watcher.vision.outcome import Failed
from watcher.vision.photographs import photographs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from watcher.home import Home
    from watcher.results import Finished
    from watcher.service.stages import Stage
    from watcher.vision.vision import Vision

# Of a slow model so few pictures, of a fast one so many; between them, so many as take it about this long.
FEWEST, MOST, ABOUT_SECONDS = 64, 2048, 10.0
DIFFERENT = 256
HOME_PREFIX = ".watcher-bench-"


@dataclass(frozen=True, slots=True)
class Measured:
    """Pictures a second, of the model alone on decoded pictures and of the daemon on files; `cores` that it could use."""

    stages: tuple[Stage, ...]
    pictures: int
    megapixels: float
    cores: int
    alone: float
    whole: float
    whole_cpu_ms: float
    others: float
    """How many of the cores other programs had while the daemon worked."""

    @property
    def ratio(self) -> float:
        return self.whole / self.alone

    @property
    def busy(self) -> float:
        """How many of the cores the daemon kept busy."""
        return self.whole * self.whole_cpu_ms / 1000


@dataclass(frozen=True, slots=True)
class _Sample:
    ending: str
    data: bytes
    pixels: NDArray[np.uint8]
    megapixels: float


def found(folder: Path | None) -> list[Path]:
    """The pictures to measure with: those of a folder, or the photographs that come with Watcher's dependencies.

    Raises DataError where there are none.
    """
    if folder is None:
        return photographs()
    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    if not (pictures := [file for file in files if has_picture_ending(file.name)]):
        raise DataError(f"{folder}: holds no pictures")
    return pictures


def measure(vision: Vision, files: Sequence[Path], batch_size: int, beside: Path | None, count: int | None) -> Measured:
    """Measures with a ready model on `count` pictures, or on as many as take it some seconds.

    The home to work in is made in `beside`, for the disk that is measured should be the one that is used. Raises
    DataError if no picture can be read, and OSError.
    """
    samples = _readable(vision, files)
    pixels = [sample.pixels for sample in samples]
    with tempfile.TemporaryDirectory(prefix=HOME_PREFIX, dir=beside) as name:
        guess = _alone(vision, pixels, batch_size, batch_size)
        count = count or max(FEWEST, min(MOST, round(ABOUT_SECONDS * guess)))
        first = _alone(vision, pixels, batch_size, count // 2)
        whole, used, others = _whole(_home(Path(name) / "whole", vision, batch_size), vision, samples, count)
        again = _alone(vision, pixels, batch_size, count // 2)
        stages = _stages(_home(Path(name) / "stages", vision, batch_size), vision, samples, min(count, 2 * batch_size))
    return Measured(
        stages=stages,
        pictures=count,
        megapixels=sum(sample.megapixels for sample in samples) / len(samples),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        alone=(first + again) / 2,
        whole=whole,
        whole_cpu_ms=used,
        others=others,
    )


def _readable(vision: Vision, files: Sequence[Path]) -> list[_Sample]:
    """Of a folder some, from all over it."""
    step = max(1, len(files) // DIFFERENT)
    samples = []
    for file in files[::step][:DIFFERENT]:
        data = file.read_bytes()
        if not isinstance(picture := vision.decode(data), Failed):
            samples.append(_Sample(file.suffix.lower(), data, picture.pixels, picture.width * picture.height / 1e6))
    if not samples:
        raise DataError("none of the pictures can be read")
    return samples


def _home(root: Path, vision: Vision, batch_size: int) -> Home:
    card, models = vision.package.card, vision.package.folder.parents[1]
    settings = Settings(
        folders=Folders(models=str(models.absolute())),
        intake=Intake(settle_seconds=0, watch="scan", rescan_seconds=0.5),
        models=Models(default=card.name, routes={}),
        inference=Inference(batch_size=batch_size, timeout_seconds=86400),
        database=DatabaseSettings(url="sqlite:///watcher.db"),
    )
    make_home(root, settings)
    home = open_home(root)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
    return home


def _drop(home: Home, samples: Sequence[_Sample], count: int) -> None:
    """So many files in the inbox, no two of one content: a few bytes behind a picture change none of its pixels."""
    for number, sample in enumerate(islice(cycle(samples), count)):
        (home.inbox / f"{number:06}{sample.ending}").write_bytes(sample.data + number.to_bytes(4, "big"))


def _alone(vision: Vision, pixels: Sequence[NDArray[np.uint8]], batch_size: int, count: int) -> float:
    """Pictures a second that the model does in full batches, of so many pictures or a few more."""
    batch = list(islice(cycle(pixels), batch_size))
    batches = -(-count // batch_size)
    vision.classify(batch)
    begun = time.perf_counter()
    for _ in range(batches):
        vision.classify(batch)
    return batches * batch_size / (time.perf_counter() - begun)


def _stages(home: Home, vision: Vision, samples: Sequence[_Sample], count: int) -> tuple[Stage, ...]:
    _drop(home, samples, count)
    with Database.open(home.settings.database.url, home.root) as database:
        return StageByStage(home, database, vision).run()


def _whole(home: Home, vision: Vision, samples: Sequence[_Sample], count: int) -> tuple[float, float, float]:
    """Pictures a second of the daemon, from files to durable copies and rows; CPU milliseconds of each; other programs."""
    _drop(home, samples, count)
    ended = [0.0]
    states: list[State] = []

    def report(rows: Sequence[Finished]) -> None:
        states.extend(row.state for row in rows)
        ended[0] = time.perf_counter()

    daemon = Daemon(home, report, threading.Event(), threading.Event(), lambda _: vision)
    begun, used, all_used = time.perf_counter(), time.process_time(), _used_by_all()
    daemon.run(once=True)
    used, all_used = time.process_time() - used, _used_by_all() - all_used
    others = max(0.0, all_used - used) / (time.perf_counter() - begun)
    if states != [State.DONE] * count:
        raise DataError(f"of {count} pictures {states.count(State.DONE)} were classified")
    return count / (ended[0] - begun), 1000 * used / count, others


def _used_by_all() -> float:
    """Seconds that the processors have worked since they were switched on; 0 where that cannot be told."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _idle, _waiting, *more = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK")
