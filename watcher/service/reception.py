"""The front of the daemon: claims what is whole, has it read in threads, hands out batches of it."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import structlog

from watcher.intake.arrivals import Gone
from watcher.service.work import Changed, Read, Taken
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from watcher.intake.arrivals import Claim, Seen
    from watcher.intake.claims import ClaimFolder
    from watcher.intake.inbox import Inbox
    from watcher.service.reading import Reader
    from watcher.service.routes import Bench, Routes

log = structlog.get_logger()

# How long a batch that is not full waits for pictures that are being decoded.
FILL_SECONDS = 0.02
# How often a picture is opened by a process that then dies, before it is set aside.
MOST_ATTEMPTS = 3
GAVE_UP = "Watcher stopped {} times while it worked on this picture, which may be the cause"


class Reception:
    """Holds at most `window` pictures that are claimed and not yet handed out."""

    def __init__(
        self,
        inbox: Inbox,
        claims: ClaimFolder,
        routes: Routes,
        bench: Bench,
        reader: Reader,
        batch_size: int,
        threads: int,
        now: Callable[[], datetime],
    ) -> None:
        self._inbox = inbox
        self._claims = claims
        self._routes = routes
        self._bench = bench
        self._reader = reader
        self._batch_size = batch_size
        self._window = 2 * batch_size
        self._pool = ThreadPoolExecutor(threads, "read")
        self._now = now
        self._reading: list[tuple[Taken, Future[Read]]] = []

    @property
    def idle(self) -> bool:
        return not self._reading

    def take(self, now: float) -> list[Gone]:
        """Claims what is whole, as far as there is room; what went away instead comes back.

        `now` is a monotonic time. Raises OSError if the inbox cannot be read or written.
        """
        gone: list[Gone] = []
        if len(self._reading) >= self._window:
            return gone
        for item in self._inbox.poll(now):
            if isinstance(item, Gone):
                gone.append(item)
            elif claim := self._claim(item, now):
                self.admit(claim)
                if len(self._reading) >= self._window:
                    break
        return gone

    def admit(self, claim: Claim) -> None:
        """Has a claimed picture read; one whose model cannot be loaded goes back to the inbox."""
        vision = self._bench.vision(self._routes.model_of(claim.path))
        if vision is None:
            self._claims.put_back(claim)
            return
        taken = Taken(claim, vision, self._now())
        if claim.attempts < MOST_ATTEMPTS:
            self._reading.append((taken, self._pool.submit(self._reader.read, taken)))
        else:
            given_up: Future[Read] = Future()
            given_up.set_result(Read(taken, claim, Failed(GAVE_UP.format(claim.attempts))))
            self._reading.append((taken, given_up))

    def batch(self) -> list[Read]:
        """What is ready for one model, at most a batch; waits for the first picture, hardly for more."""
        if not self._reading:
            return []
        wait([future for _, future in self._reading], return_when=FIRST_COMPLETED)
        vision = next(taken.vision for taken, future in self._reading if future.done())
        mine = [future for taken, future in self._reading if taken.vision is vision][: self._batch_size]
        wait(mine, timeout=FILL_SECONDS)
        ready = [pair for pair in self._reading if pair[0].vision is vision and pair[1].done()][: self._batch_size]
        self._reading = [pair for pair in self._reading if pair not in ready]
        return [read for pair in ready if (read := self._result(pair[1])) is not None]

    def close(self) -> None:
        """Puts what was not handed out back into the inbox."""
        for taken, future in self._reading:
            if future.cancel() or future.cancelled():
                self._claims.put_back(taken.claim)
                continue
            read = self._result(future)
            if read is not None:
                self.put_back(read)
        self._reading.clear()
        self._pool.shutdown()

    def put_back(self, read: Read) -> None:
        self._reader.forget(read)
        self._claims.put_back(read.claim)

    def _claim(self, seen: Seen, now: float) -> Claim | None:
        try:
            claim = self._claims.claim(seen)
        except PermissionError as fault:
            log.warning("a picture cannot be claimed; it waits", path=seen.path, reason=fault.strerror)
            return None
        if claim is None:
            self._inbox.wait_again(seen, now)
        return claim

    def _result(self, future: Future[Read]) -> Read | None:
        """A finished reading; None where the picture went back to the inbox."""
        read = future.result()
        if isinstance(read.content, Changed):
            self._claims.put_back(read.claim)
            return None
        return read
