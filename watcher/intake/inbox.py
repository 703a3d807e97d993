"""The inbox as a stream of pictures that are whole: scan, events and quiet periods put together."""

from __future__ import annotations

import errno
import os
import stat
import time
from itertools import islice
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Gone, LeftAlone, Seen
from watcher.intake.claims import FOLDER
from watcher.intake.filters import has_picture_ending
from watcher.intake.scan import look, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from watcher.intake.events import Hints
    from watcher.intake.settle import Settler

CHUNK = 500


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
    ) -> None:
        self._root = root
        self._settler = settler
        self._wanted = wanted
        self._rescan_seconds = rescan_seconds
        self._hints = hints
        self._device = os.stat(root).st_dev
        self._scanning: Iterator[Seen | LeftAlone] | None = None
        self._scan_started = 0.0
        self._scan_cost = 0.0
        self._next_scan = 0.0
        self._missing: dict[tuple[int, int], tuple[float, Gone]] = {}
        self.passes = 0  # completed scans

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting for its quiet period, and no scan is under way."""
        return not len(self._settler) and self._scanning is None and not self._missing

    def scan_soon(self, now: float = 0.0) -> None:
        """Asks for a scan at the next poll at or after `now`."""
        self._next_scan = min(self._next_scan, now)

    def wait_again(self, seen: Seen, now: float) -> None:
        """For a picture that could not be claimed after all: a new quiet period."""
        self._settler.saw(seen, now)

    def next_look(self) -> float:
        """When `poll` has something to do, if no event comes earlier."""
        if self._scanning is not None:
            return 0.0
        due = self._settler.next_due
        return self._next_scan if due is None else min(due, self._next_scan)

    def poll(self, now: float) -> Iterator[Seen | Gone]:
        """Pictures that are whole, and pictures that went away. Stop iterating whenever there is no room.

        Raises OSError if the inbox cannot be read, FileNotFoundError if it is not there.
        """
        self._follow_hints(now)
        yield from self._scan(now)
        for item in self._settler.settled(now, lambda path: look(self._root, path)):
            if isinstance(item, Seen):
                yield item
            else:
                # Perhaps only renamed. A scan that finds its inode nowhere says that it is gone.
                self._missing[item.fingerprint.device, item.fingerprint.inode] = (now, item)
                self.scan_soon(now)

    def _follow_hints(self, now: float) -> None:
        if self._hints is None:
            return
        paths, overflowed = self._hints.take()
        if overflowed or not self._hints.alive:
            self.scan_soon(now)
        for path in paths:
            try:
                is_folder = stat.S_ISDIR(os.lstat(self._root / path).st_mode)
            except OSError:
                continue
            found: Iterator[Seen] = iter(())
            if is_folder:
                found = (item for item in scan(self._root, path) if isinstance(item, Seen))
            elif has_picture_ending(path) and (seen := look(self._root, path)):
                found = iter([seen])
            if not self._saw(found, now):
                self.scan_soon(now)

    def _scan(self, now: float) -> Iterator[Gone]:
        if self._scanning is None and now >= self._next_scan:
            self._check_presence()
            self._scanning, self._scan_started, self._scan_cost = scan(self._root), now, 0.0
        if self._scanning is None:
            return
        began = time.perf_counter()
        try:
            complete = self._saw((item for item in self._scanning if isinstance(item, Seen)), now)
        except BaseException:
            self._scanning = None
            raise
        self._scan_cost += time.perf_counter() - began
        if complete:
            self._scanning = None
            self._next_scan = now + self._pause()
            self.passes += 1
            yield from self._declare_gone()

    def _check_presence(self) -> None:
        """An empty mount point is no empty inbox: it lacks our claim folder and lies on another device."""
        if (self._root / FOLDER).is_dir():
            return
        if os.stat(self._root).st_dev != self._device:
            raise FileNotFoundError(errno.ENOENT, "the inbox is not there; is its share mounted?", str(self._root))
        (self._root / FOLDER).mkdir()  # somebody tidied it away

    def _pause(self) -> float:
        """Until the next scan. Where no events come, scans follow each other, at a twentieth of the time."""
        return self._rescan_seconds if self._hints else min(self._rescan_seconds, max(1.0, 20 * self._scan_cost))

    def _saw(self, pictures: Iterator[Seen], now: float) -> bool:
        """Hands pictures to the settler while it has room; whether all were."""
        while not self._settler.full:
            chunk = list(islice(pictures, CHUNK))
            for seen in chunk:
                self._missing.pop((seen.fingerprint.device, seen.fingerprint.inode), None)
            for seen in self._wanted(chunk):
                self._settler.saw(seen, now)
            if len(chunk) < CHUNK:
                return True
        return False

    def _declare_gone(self) -> Iterator[Gone]:
        for inode, (noticed, gone) in list(self._missing.items()):
            if noticed < self._scan_started:
                del self._missing[inode]
                yield gone
