"""The back of the daemon: a thread that finishes batches while the next one is classified."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from watcher.service.tally import Stage, unmeasured
from watcher.service.work import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.results import Finished
    from watcher.service.finishing import Finisher
    from watcher.service.patience import Patience
    from watcher.service.reading import Reader
    from watcher.service.work import Judged

# Batches that wait while one is being finished.
WAITING = 1


class Ending:
    """Finishes batches in their order, patiently; at most one waits while one is being finished."""

    def __init__(
        self,
        finisher: Finisher,
        reader: Reader,
        wake: threading.Event,
        patiently: Patience,
        report: Callable[[Sequence[Finished], float], None],
        stage: Stage = unmeasured,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._finisher = finisher
        self._reader = reader
        self._wake = wake
        self._patiently = patiently
        self._report = report
        self._stage = stage
        self._clock = clock
        self._batches: queue.Queue[tuple[Sequence[Judged], float] | None] = queue.Queue(WAITING)
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ending", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        return self._batches.unfinished_tasks == 0

    def queue(self) -> Queue:
        """The batches that are not finished."""
        return Queue("batches_to_finish", self._batches.unfinished_tasks, WAITING + 1)

    def put(self, batch: Sequence[Judged], begun: float) -> None:
        """Hands over a batch that was begun then; waits while there is no room. Raises what the thread died of."""
        self.check()
        self._batches.put((batch, begun))

    def drain(self) -> None:
        """Waits until everything handed over is finished, or given up because the daemon is to end."""
        self._batches.join()
        self.check()

    def close(self) -> None:
        """Finishes what was handed over, then ends the thread; `check` says whether that went well."""
        self._batches.put(None)
        self._thread.join()
        self._finisher.close()

    def check(self) -> None:
        """Raises what the thread died of, if it did."""
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        while (given := self._batches.get()) is not None:
            batch, begun = given
            try:
                # After a fault, or once the daemon gave up on a batch, claims stay for the next start.
                if self._fault is None:
                    self._finish(batch, begun)
            except BaseException as fault:  # noqa: BLE001  (raised again by `check`)
                self._fault = fault
            finally:
                for judged in batch:
                    self._reader.forget(judged.read)
                self._batches.task_done()
                self._wake.set()
        self._batches.task_done()

    def _finish(self, batch: Sequence[Judged], begun: float) -> None:
        patiently = self._patiently
        with self._stage("publishing"):
            published = patiently(lambda: self._finisher.publish(batch), "writing to the outbox")
            rows = patiently(lambda: self._finisher.rows(published), "writing to the folder of failed pictures")
        with self._stage("recording"):
            patiently(lambda: self._finisher.record(rows), "writing to the database")
        with self._stage("releasing"):
            patiently(lambda: self._finisher.release(published, rows), "moving the originals")
        self._report(rows, self._clock() - begun)
