"""The daemon's loop: take what is whole, classify what is ready, hand it on to be finished."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import structlog

from watcher.service.apart import EngineFault
from watcher.service.patience import Stopped
from watcher.service.pulse import ANSWER_SECONDS, TURN_SECONDS, Pulses

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from threading import Event

    from watcher.intake.arrivals import Claim, Gone
    from watcher.intake.claims import ClaimFolder
    from watcher.intake.inbox import Inbox, LastScan
    from watcher.service.ending import Ending
    from watcher.service.finishing import Finisher
    from watcher.service.judging import Judge
    from watcher.service.patience import Patience
    from watcher.service.reception import Reception
    from watcher.service.work import Queue, Read

log = structlog.get_logger()

LONGEST_SLEEP_SECONDS = 30.0
# A large file being copied makes an event for every write; they are answered together.
CALM_SECONDS = 0.01


class Loop:
    """Drives one home. `wake` is set whenever there may be something to do; `stop` ends the loop."""

    def __init__(
        self,
        inbox: Inbox,
        claims: ClaimFolder,
        reception: Reception,
        judge: Judge,
        ending: Ending,
        finisher: Finisher,
        patiently: Patience,
        wake: Event,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        pulses: Pulses | None = None,
    ) -> None:
        self._inbox = inbox
        self._claims = claims
        self._reception = reception
        self._judge = judge
        self._ending = ending
        self._finisher = finisher
        self._patiently = patiently
        self._wake = wake
        self._stop = stop
        self._clock = clock
        self._pulses = pulses or Pulses()

    def run(self, *, once: bool) -> None:
        """Until `stop`; with `once`, until a whole scan has found nothing left to do.

        The batch in hand is finished; what was claimed and not classified goes back to the inbox.
        """
        try:
            try:
                with self._pulses.during("scanning", TURN_SECONDS):
                    self._recover()
                    self._work(once=once)
            finally:
                self._close()
            self._ending.check()
        except Stopped:
            log.warning("ended before everything claimed was finished; the next start goes on with it")

    @property
    def busy(self) -> bool:
        """Whether pictures are in work."""
        return not (self._reception.idle and self._ending.idle)

    def queues(self) -> list[Queue]:
        """What is in hand."""
        return [*self._reception.queues(), self._ending.queue()]

    def last_scan(self) -> LastScan | None:
        """Of the inbox."""
        return self._inbox.last_scan(self._clock())

    def _work(self, *, once: bool) -> None:
        quiet_since = self._inbox.begun
        while not self._stop.is_set():
            self._pulses.beat()
            finishing = not self._ending.idle
            busy = self._turn()
            if busy or finishing:
                quiet_since = self._inbox.begun
            elif once and self._is_empty(quiet_since):
                break
            if not busy:
                self._sleep()

    def _close(self) -> None:
        self._stop.set()  # whatever ended the loop, nothing waits for the world any more
        with self._pulses.during("ending", math.inf):
            try:
                self._reception.close()
            finally:
                self._ending.close()

    def _recover(self) -> None:
        """Goes on with what an earlier process left in the claim folder.

        A picture that was opened and not finished may be what ended that process, so it goes alone:
        if it does so again, nothing else is in danger.
        """
        left = self._patiently(self._left, "reading the inbox")
        if left:
            log.info("going on with what was left in the claim folder", pictures=len(left))
        unfinished = self._patiently(lambda: self._finisher.put_away_recorded(left), "going on with old claims")
        untried = [claim for claim in unfinished if not claim.attempts]
        for together in [untried, *([claim] for claim in unfinished if claim.attempts)]:
            if self._stop.is_set():
                return
            for claim in together:
                self._reception.admit(claim)
            while not self._reception.idle:
                self._judge_batch(self._batch())
            with self._finishing():
                self._ending.drain()

    def _left(self) -> list[Claim]:
        self._claims.must_be_there()
        left = self._claims.recover()
        self._claims.must_be_there()  # still: or they could not be seen
        return left

    def _turn(self) -> bool:
        """One round; whether there was anything to do."""
        self._ending.check()
        self._take()
        busy = not self._reception.idle  # even if all of it turns out to have changed
        self._judge_batch(self._batch(), read_on=True)
        return busy

    def _batch(self) -> list[Read]:
        with self._pulses.during("reading pictures", ANSWER_SECONDS):
            return self._reception.batch()

    def _finishing(self) -> AbstractContextManager[None]:
        """Waiting for the end of a batch, for as long as that takes: it is done patiently, and a new program would wait, too."""
        return self._pulses.during("waiting for earlier pictures to be finished", math.inf)

    def _take(self) -> None:
        gone: list[Gone] = []
        self._patiently(lambda: self._reception.take(self._clock(), gone), "reading the inbox")
        rows = self._finisher.taken_back(gone)
        self._patiently(lambda: self._finisher.record(rows), "writing to the database")

    def _judge_batch(self, batch: list[Read], *, read_on: bool = False) -> None:
        if not batch:
            return
        try:
            if read_on:  # the next batch is decoded while this one is classified
                self._take()
            begun = self._clock()
            judged = self._patiently(lambda: self._judge(batch), "classifying", math.inf)
            with self._finishing():
                self._ending.put(judged, begun)
        except EngineFault as fault:
            self._judge_batch(self._reception.lay_off(batch, str(fault)))
        except BaseException:
            for read in batch:
                self._reception.put_back(read)
            raise

    def _is_empty(self, begun: int) -> bool:
        """Whether nothing is left, and a scan after the one numbered `begun` has seen so."""
        if not (self._reception.idle and self._ending.idle and self._inbox.idle):
            return False
        if self._inbox.passes > begun:
            return True
        self._inbox.scan_soon()
        return False

    def _sleep(self) -> None:
        seconds = min(self._inbox.next_look(), self._reception.next_try) - self._clock()
        if self._wake.wait(min(max(seconds, 0.0), LONGEST_SLEEP_SECONDS)):
            self._stop.wait(CALM_SECONDS)
            self._wake.clear()
