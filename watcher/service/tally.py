"""What a running daemon counts of its own work: pictures by model, batches, the seconds of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, disable_created_metrics

from watcher import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.results import Finished

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
# Measures a block, which is a stage of this name.
Stage: TypeAlias = Callable[[str], AbstractContextManager[None]]
# Of pictures that no model has seen.
NO_MODEL = ""


def unmeasured(_name: str) -> AbstractContextManager[None]:
    """The stage that nobody measures."""
    return nullcontext()


class Tally:
    """Counts since the start, in a registry of its own. Threads may count at once. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._clock = clock
        self.registry = registry = CollectorRegistry()
        self.pictures = 0
        self._finished = Counter(
            "watcher_finished_pictures", "Pictures finished since the start", ["model", "state"], registry=registry
        )
        self._to_review = Counter(
            "watcher_review_pictures", "Of these, those that need review", ["model"], registry=registry
        )
        self._sizes = Histogram("watcher_batch_pictures", "Pictures in a batch", buckets=BATCHES, registry=registry)
        self._seconds = Histogram(
            "watcher_batch_seconds",
            "From the moment that a batch is given to its model until its originals are moved",
            buckets=SECONDS,
            registry=registry,
        )
        self._stages = Summary(
            "watcher_stage_seconds",
            "Decoding a picture; a batch through its model, its copies published, its rows recorded, its originals moved",
            ["stage"],
            registry=registry,
        )
        build = Gauge("watcher_build_info", "The version of Watcher that runs", ["version"], registry=registry)
        build.labels(__version__).set(1)
        started = Gauge("watcher_start_time_seconds", "When this daemon began, Unix time", registry=registry)
        started.set_to_current_time()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds up what the block takes."""
        begun = self._clock()
        yield
        self._stages.labels(name).observe(self._clock() - begun)

    def batch(self, rows: Sequence[Finished], seconds: float) -> None:
        """Counts a batch that is finished."""
        self.pictures += len(rows)
        self._sizes.observe(len(rows))
        self._seconds.observe(seconds)
        for row in rows:
            model = row.model.model if row.model else NO_MODEL
            self._finished.labels(model, row.state.value).inc()
            if row.model and row.predictions:
                self._to_review.labels(model).inc(row.model.doubts(row.predictions[0].score))
