"""The front of the daemon: claims what is whole, has it read in threads, hands out batches of it."""

from __future__ import annotations

import errno
import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import TYPE_CHECKING

import structlog

from watcher.intake.arrivals import Gone
from watcher.intake.names import clean
from watcher.repeated import Repeated
from watcher.service.work import Changed, Queue, Read, Taken
from watcher.vision.outcome import Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from watcher.intake.arrivals import Claim, Seen
    from watcher.intake.claims import ClaimFolder
    from watcher.intake.company import Company
    from watcher.intake.inbox import Inbox
    from watcher.service.bench import Bench
    from watcher.service.reading import Reader
    from watcher.service.routes import Routes

log = structlog.get_logger()

# How long a batch that is not full waits for pictures that are being decoded: where those fill it, it is worth more, for
# a part of a batch costs nearly as much as a whole one, here or at the end of a backlog.
FILL_SECONDS, FULL_SECONDS = 0.02, 0.25
# How often a picture is opened by a process that then dies, before it is set aside.
MOST_ATTEMPTS = 3
# What a rename says of one picture, where other errors speak of the whole inbox.
NOT_OURS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EXDEV)  # EXDEV: a bind mount in the inbox
IN_USE = (errno.EBUSY, errno.ETXTBSY)  # by its writer, on shares of Windows
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
        company: Company | None = None,
        retract: Callable[[Claim], None] = lambda _: None,
    ) -> None:
        self._inbox = inbox
        self._company = company
        self._retract = retract
        self._claims = claims
        self._routes = routes
        self._bench = bench
        self._reader = reader
        self._batch_size = batch_size
        self._window = 2 * batch_size
        self._pool = ThreadPoolExecutor(threads, "read")
        self._now = now
        self._reading: list[tuple[Taken, Future[Read]]] = []
        self._returning: list[Claim] = []
        self._repeated = Repeated()

    @property
    def idle(self) -> bool:
        return not self._reading

    def queues(self) -> list[Queue]:
        """What is claimed and not handed out, and its pixels. Any thread may ask."""
        pixels, most = self._reader.pixels
        claimed = Queue("pictures_claimed", len(self._reading) + len(self._returning), self._window)
        return [claimed, Queue("pixels_decoded", pixels, most)]

    @property
    def next_try(self) -> float:
        """When a model that could not be run is tried again, on the monotonic clock."""
        return self._bench.next_try

    def take(self, now: float, gone: list[Gone]) -> None:
        """Claims what is whole, as far as there is room; what went away instead is added to `gone`.

        `now` is a monotonic time. Raises OSError if the inbox cannot be read or written.
        """
        self._return()
        if self._bench.came_back():
            self._inbox.scan_soon()
        if len(self._reading) >= self._window:
            return
        if self._company and self._claims.is_there():
            self._company.look(now)
        for item in self._inbox.poll(now):
            if isinstance(item, Gone):
                gone.append(item)
            elif claim := self._claim(item, now):
                self.admit(claim)
                if len(self._reading) >= self._window:
                    break

    def admit(self, claim: Claim) -> None:
        """Has a claimed picture read; one whose model cannot be loaded goes back to the inbox."""
        vision = self._bench.vision(self._routes.model_of(claim.path))
        if vision is None:
            self._returning.append(claim)
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
        wait(mine, timeout=FULL_SECONDS if len(mine) == self._batch_size else FILL_SECONDS)
        ready = [pair for pair in self._reading if pair[0].vision is vision and pair[1].done()][: self._batch_size]
        reads = [future.result() for _, future in ready]
        taken_out = {id(future) for _, future in ready}
        self._reading = [pair for pair in self._reading if id(pair[1]) not in taken_out]
        unfit = (Changed, Picture) if self._bench.rests(vision) else Changed
        for read in reads:
            if isinstance(read.content, unfit):
                self.put_back(read)
        return [read for read in reads if not isinstance(read.content, unfit)]

    def lay_off(self, batch: Sequence[Read], reason: str) -> list[Read]:
        """Leaves the model of a batch in peace for a while; its pictures go back to the inbox, where they wait.

        What was not for the model anyway, as what could not be read, is given back, to be finished.
        """
        self._bench.lay_off(self._routes.model_of(batch[0].claim.path), batch[0].taken.vision, reason)
        for read in batch:
            if isinstance(read.content, Picture):
                self.put_back(read)
        return [read for read in batch if not isinstance(read.content, Picture)]

    def close(self) -> None:
        """Puts what was not handed out back into the inbox; what cannot go there stays for the next start."""
        self._returning += [taken.claim for taken, future in self._reading if future.cancel()]
        # As they come: a picture may wait for room among the pixels, which another one gives back here.
        for future in as_completed(future for _, future in self._reading if not future.cancelled()):
            if future.exception() is None:
                self.put_back(future.result())
        self._reading.clear()
        self._pool.shutdown()
        try:
            self._return()
        except OSError as fault:
            log.warning("claimed pictures cannot go back to the inbox; the next start takes them", reason=str(fault))

    def put_back(self, read: Read) -> None:
        """Lets a picture go back to the inbox, where it is found again."""
        self._reader.forget(read)
        self._returning.append(read.claim)

    def _return(self) -> None:
        while self._returning:
            claim = self._returning[-1]
            if not self._claims.is_gone(claim):
                self._retract(claim)  # for it will come again, as another claim
                self._claims.put_back(claim)
            self._returning.pop()

    def _complain(self, seen: Seen, fault: OSError) -> None:
        """Its neighbours mostly share its fate, and every scan finds them again."""
        folder = os.path.dirname(clean(seen.path))
        facts = {"folder": folder, "reason": fault.strerror}
        self._repeated.say((folder, fault.errno), log.warning, "pictures cannot be claimed; they wait", **facts)

    def _claim(self, seen: Seen, now: float) -> Claim | None:
        try:
            if self._company:
                self._company.takes(seen, now)
            claim = self._claims.claim(seen)
        except OSError as fault:
            if fault.errno in NOT_OURS:
                self._complain(seen, fault)
                return None
            self._inbox.wait_again(seen, now)
            if fault.errno in IN_USE:
                return None
            raise
        if claim is None:
            self._inbox.wait_again(seen, now)
        return claim
