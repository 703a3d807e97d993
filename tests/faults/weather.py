"""What befalls a daemon while it works: it is killed, ended, stopped; disks are full, the database locked, a share away."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from contextlib import suppress

import homes
from lasting import said
from mounting import Filler, bind, unmount


class Weather:
    """Each trouble begins by chance and passes by itself; several may come together. `counts` says how often."""

    def __init__(self, chance, daemons, home, log, share=None, disks=()):
        self._chance = chance
        self._daemons = daemons
        self._home = home
        self._log = log
        self._share = share
        self._fillers = [Filler(disk) for disk in disks]
        self._passing = {}  # by kind: when it is over, and what ends it
        self.counts = Counter()

    def change(self):
        """Begins a trouble, unless it is there already."""
        kinds = [self._kill, self._kill, self._end, self._stop, self._lock]
        kinds += [self._fill] * 2 if self._fillers else []
        kinds += [self._take_share_away] * 2 if self._share else []
        kind = self._chance.choice(kinds)
        self._supervise()
        if kind not in (self._kill, self._end, self._stop) or "daemon" not in self._passing:
            kind()

    def pass_(self, *, all_of_it=False):
        """Ends what is over."""
        self._supervise()
        for kind, (until, end) in list(self._passing.items()):
            if all_of_it or time.monotonic() >= until:
                del self._passing[kind]
                end()

    def _supervise(self):
        """Only a start on a full disk may fail, for there the database cannot be opened; then it is tried again."""
        if "daemon" in self._passing or not self._daemons.has_ended:
            return
        self._note_end(self._daemons.ended(), "start on a full disk", 1)

    def _note_end(self, code, what, expected):
        """It may have ended by itself in that moment."""
        story = said(self._log)[-5000:]
        if code == 1:
            what = "start on a full disk"
            assert story.splitlines()[-1].startswith("watcher: ") and self.counts["full disk"], story
        else:
            assert code == expected, f"{code} and not {expected}: {story}"
        self.counts[what] += 1
        self._begin("daemon", 0.5, self._start)

    def _begin(self, kind, longest, end):
        self._passing[kind] = time.monotonic() + self._chance.uniform(0.1, longest), end

    def _kill(self):
        self._note_end(self._daemons.kill(), "SIGKILL", -signal.SIGKILL)

    def _end(self):
        self._note_end(self._daemons.end(), "SIGTERM", 0)

    def _start(self):
        begin = self._log.stat().st_size
        self._daemons.start(self._home, self._log, until=None)

        def has_begun():
            words = said(self._log, begin)
            return "watching" in words or "not possible" in words or self._daemons.has_ended

        homes.wait_for(has_begun, "it watches, or says why it does not")

    def _stop(self):
        self._daemons.signal(signal.SIGSTOP)
        self.counts["SIGSTOP"] += 1
        self._begin("daemon", 1.0, lambda: self._daemons.signal(signal.SIGCONT))

    def _lock(self):
        if "lock" in self._passing:
            return
        connection = sqlite3.connect(self._home.root / "watcher.db", isolation_level=None, timeout=0.1)
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            self.counts["locked database"] += 1
        self._begin("lock", 2.0, connection.close)

    def _fill(self):
        filler = self._chance.choice(self._fillers)
        filler.fill()
        self.counts["full disk"] += 1
        self._begin(filler, 2.0, filler.remove)

    def _take_share_away(self):
        if "share" in self._passing:
            return
        unmount(self._home.inbox)
        self.counts["share away"] += 1
        self._begin("share", 2.0, lambda: bind(self._share, self._home.inbox))
