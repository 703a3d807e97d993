"""The inbox as a stream of pictures that are whole: scan, events and quiet periods put together."""

from __future__ import annotations

import math
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Fingerprint, Gone, Seen
from watcher.intake.filters import has_picture_ending
from watcher.intake.missing import Missing
from watcher.intake.presence import Presence
from watcher.intake.scan import look, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from watcher.intake.arrivals import LeftAlone
    from watcher.intake.company import Company
    from watcher.intake.events import Hints
    from watcher.intake.settle import Settler

# Pictures that `wanted` is asked about together.
CHUNK = 500
# How long one poll goes on with a scan: pictures that are whole need not wait for a long one.
SCAN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LastScan:
    """The last scan that is complete: the seconds of work that it took, and how long ago it ended."""

    seconds: float
    age: float


class Inbox:
    """Finds pictures: `poll` again and again, with a monotonic clock.

    `wanted` picks from a chunk of pictures those to be waited for; the others are looked at again by
    the next scan.
    """

    def __init__(
        self,
        root: Path,
        settler: Settler,
        wanted: Callable[[Sequence[Seen]], Iterable[Seen]],
        rescan_seconds: float,
        hints: Hints | None = None,
        company: Company | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._root = root
        self._presence = presence or Presence(root)
        self._presence.begin()
        self._settler = settler
        self._wanted = wanted
        self._rescan_seconds = rescan_seconds
        self._hints = hints
        self._was_away = False
        self._asked = True  # for a scan that begins after now
        self._scanning: Iterator[Seen] | None = None
        self._scan_cost = 0.0
        self._scan_ended = 0.0
        self._whole_scan_cost = 0.0
        self._company = company
        self._missing = Missing(root, company)
        self.begun = 0  # scans
        self.passes = 0  # what `begun` was for the last scan that is complete

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting for its quiet period, and no scan is under way."""
        return not len(self._settler) and self._scanning is None and not len(self._missing)

    def last_scan(self, now: float) -> LastScan | None:
        """None before the first is complete. Any thread may ask."""
        return LastScan(self._whole_scan_cost, now - self._scan_ended) if self.passes else None

    def scan_soon(self) -> None:
        """Asks for a scan that begins after this call."""
        self._asked = True

    def wait_again(self, seen: Seen, now: float) -> None:
        """For a picture that could not be claimed after all: a new quiet period."""
        self._settler.saw(seen, now)

    def next_look(self) -> float:
        """When `poll` has something to do, if no event comes earlier."""
        if self._scanning is None:
            return min(self._settler.next_due, self._next_scan())
        return self._settler.next_due if self._settler.full else -math.inf

    def poll(self, now: float) -> Iterator[Seen | Gone]:
        """Pictures that are whole, and pictures that went away. Stop iterating whenever there is no room.

        Raises OSError if the inbox cannot be read, FileNotFoundError if it is not there.
        """
        with self._not_away():
            self._presence.must_be_mounted()
        if self._company and self._company.was_held_up():
            self._doubt_all()
        self._follow_hints(now)
        yield from self._scan(now)
        for item in self._settler.settled(now, lambda path: look(self._root, path)):
            if isinstance(item, Seen):
                self._missing.hand_on(item)
                yield item
            else:
                # Perhaps only renamed. A scan that finds it nowhere says that it is gone.
                self._missing.miss(item, self.begun)
                self.scan_soon()

    def _follow_hints(self, now: float) -> None:
        if self._hints is None:
            return
        paths, overflowed = self._hints.take()
        if overflowed:
            self.scan_soon()
        try:
            for path in paths:
                if not self._saw(self._at(path), now):
                    self.scan_soon()
        except BaseException:
            self.scan_soon()  # finds what the other hints were about
            raise

    def _at(self, path: str) -> Iterator[Seen]:
        """The pictures at or below a path that an event named."""
        try:
            status = os.lstat(self._root / path)
            # Like `scan`: nothing on another file system can be claimed.
            claimable = os.stat((self._root / path).parent).st_dev == os.stat(self._root).st_dev
        except OSError:
            return
        if stat.S_ISDIR(status.st_mode):
            yield from _pictures(scan(self._root, path))
        elif stat.S_ISREG(status.st_mode) and has_picture_ending(path) and claimable:
            yield Seen(path, Fingerprint.of(status))

    def _scan(self, now: float) -> Iterator[Gone]:
        if self._scanning is None:
            if now < self._next_scan():
                return
            with self._not_away():
                self._presence.must_be_there()
            if self._hints is not None:
                self._hints.revive(anew=self._was_away)
            self._asked = self._was_away = False
            self._scanning, self._scan_cost = _pictures(scan(self._root)), 0.0
            self.begun += 1
        start = time.perf_counter()
        try:
            complete = self._saw(self._scanning, now, SCAN_SECONDS)
            if complete:
                with self._not_away():
                    self._presence.must_be_there()
        except BaseException:
            self._scanning, self._asked = None, True
            raise
        self._scan_cost += time.perf_counter() - start
        if complete:
            self._scanning, self._scan_ended, self._whole_scan_cost = None, now, self._scan_cost
            self.passes = self.begun
            yield from self._missing.gone(self.begun)

    @contextmanager
    def _not_away(self) -> Iterator[None]:
        """An inbox that is away makes all doubtful that was seen there: it is looked for anew, and nothing is gone."""
        try:
            yield
        except OSError:
            self._was_away = True
            self._doubt_all()
            raise

    def _doubt_all(self) -> None:
        self._asked = True
        self._scanning = None
        self._missing.forget()
        self._settler.forget()

    def _next_scan(self) -> float:
        """Where no events come, scans follow each other, at a twentieth of the time."""
        if self._asked:
            return -math.inf
        listening = self._hints is not None and self._hints.alive
        pause = self._rescan_seconds if listening else max(1.0, 20 * self._scan_cost)
        return self._scan_ended + min(pause, self._rescan_seconds)

    def _saw(self, pictures: Iterator[Seen], now: float, seconds: float = math.inf) -> bool:
        """Hands pictures to the settler, for so long and while it has room; whether all were."""
        until = time.perf_counter() + seconds
        while not self._settler.full:
            chunk = list(islice(pictures, CHUNK))
            for seen in chunk:
                self._missing.find(seen)
            for seen in self._wanted(chunk):
                self._settler.saw(seen, now)
            if len(chunk) < CHUNK:
                return True
            if time.perf_counter() > until:
                break
        return False


def _pictures(found: Iterator[Seen | LeftAlone]) -> Iterator[Seen]:
    return (item for item in found if isinstance(item, Seen))
