"""The composition root: everything of a running Watcher is made, and ended, here."""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import structlog

from watcher.clock import utc
from watcher.errors import HomeUnavailable
from watcher.intake.claims import ClaimFolder
from watcher.intake.company import Company
from watcher.intake.events import Hints
from watcher.intake.inbox import Inbox
from watcher.intake.presence import Presence
from watcher.intake.settle import Settler
from watcher.jobs.folder import JobFolder
from watcher.jobs.processes import Processes
from watcher.jobs.scheduler import Scheduler
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.mounts import is_network
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.service import health, lock
from watcher.service.bench import Bench
from watcher.service.ending import Ending
from watcher.service.fetching import Fetching
from watcher.service.finishing import Finisher
from watcher.service.health import Health
from watcher.service.identity import identity
from watcher.service.judging import Judge
from watcher.service.loading import Loader
from watcher.service.loop import Loop
from watcher.service.monitoring import doing, monitored
from watcher.service.note import DaemonNote
from watcher.service.patience import Patience, Stopped
from watcher.service.pulse import AFTER_WATCH_SECONDS, ANSWER_SECONDS, Pulses
from watcher.service.reading import PixelBudget, Reader
from watcher.service.rebuilding import open_sound
from watcher.service.reception import Reception
from watcher.service.renewal import Renewal
from watcher.service.routes import Routes
from watcher.service.shares import Shares, away
from watcher.service.supervision import supervised
from watcher.service.systemd import Systemd
from watcher.service.tally import Tally
from watcher.service.wanted import Wanted
from watcher.service.watch import LAST_RESORT_SECONDS, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from watcher.home import Home
    from watcher.results import Finished
    from watcher.vision.vision import Vision

log = structlog.get_logger()

# Decoded pictures held at a time: 4 bytes a pixel in Pillow, twice while a copy is drawn.
MOST_PIXELS = 200_000_000
# The end does not wait longer for a version that is just being loaded.
LONGEST_JOIN_SECONDS = 30.0
# What the slowest machine may need for a picture, beside the time that the settings allow.
PICTURE_SECONDS = 2.0


class Daemon:
    """One run of the daemon for a home. Whoever sets `stop`, and then `wake`, ends it after the batch in hand.

    `load` gives the model of a name, ready, where that is not one that Keras runs. `start_anew` puts a new program in
    the place of this one, which hangs, and is given the lock's handle to hand on; without it that is only said.
    `systemd` is told how it fares.
    """

    def __init__(
        self,
        home: Home,
        report: Callable[[Sequence[Finished]], None],
        wake: threading.Event,
        stop: threading.Event,
        load: Callable[[str], Vision] | None = None,
        start_anew: Callable[[int], None] | None = None,
        systemd: Systemd | None = None,
    ) -> None:
        self.home = home
        self.registry = Registry(home.models)
        self.routes = Routes(home.settings.models, self.registry)
        self._report = report
        self._wake = wake
        self._stop = stop
        self._by_keras = load is None
        self._start_anew = start_anew
        self._systemd = systemd or Systemd({})
        self._note = DaemonNote(home.root)
        self._watch = Watch()
        self._pulses = Pulses()
        self._tally = Tally()
        self._health = Health(self._pulses, self._note, stop)
        self._patiently = Patience(stop, self._tell, self._watch, self._pulses)
        self._loader = Loader(home, self.registry, stop, self._tell, self._watch, self._pulses, load)
        self._fetching = Fetching(self.registry, self.routes)
        self._jobs = Processes(home)
        self._lock = -1

    def run(self, *, once: bool) -> Mapping[str, str]:
        """Watches until `stop`, or with `once` until the inbox is empty; why models cannot be used then, by name.

        What is not possible at the moment is waited for; with `once` it is raised, if that is so at the start. Raises
        HomeError if another daemon runs here or the home's name is garbled, and what opening the database may raise.
        """
        with ExitStack() as stack:
            stack.enter_context(self._pulses.part(health.LOOP, "starting", ANSWER_SECONDS))
            self._keep_watching(stack)
            stack.enter_context(supervised(self._systemd, self._health, lambda: doing(self.home, self._tally)))
            try:
                presence, claims, database = self._open(stack, once=once)
            except Stopped:
                log.warning("ended before it could begin")
                return {}
            if self._by_keras:
                import_keras()  # before there are threads, of which two at a time would see half of it
            loop, inbox, bench = self._compose(database, presence, claims, stack)
            self._fetching.fetch(downloads=once)
            if not once:
                if self.registry.has(default := self.home.settings.models.default):
                    bench.vision(default)  # the first picture need not wait for it
                self._keep_fetching(inbox, bench)
            self._keep_renewing(bench, stack)
            if not once:
                self._keep_scheduling(database, loop, stack)
            log.info("watching", inbox=str(self.home.inbox), default_model=self.home.settings.models.default)
            self._health.begins(loop)
            loop.run(once=once)
            log.info("stopped")
            return bench.refused

    def _open(self, stack: ExitStack, *, once: bool) -> tuple[Presence, ClaimFolder, Database]:
        """Takes the home's lock, finds the inbox, opens the results. Raises Stopped if it is to end meanwhile."""

        def locked() -> int:
            return stack.enter_context(lock.held(self.home.lock, utc()))

        def opened() -> Database:
            return stack.enter_context(open_sound(self.home, utc()))

        # Without the lock the note is not ours to write.
        at_first = Patience(self._stop, self._health.tell, self._watch, self._pulses)
        self._lock = locked() if once else at_first(locked, "taking the home's lock")
        self._note.begin()
        stack.enter_context(monitored(self.home, self._health, self._tally))
        found = self._find_inbox() if once else self._patiently(self._find_inbox, "reading the inbox")
        # Now, for without the claims it could not be told which results are missing. To look at all of a file takes long.
        return *found, opened() if once else self._patiently(opened, "opening the results database", math.inf)

    def _find_inbox(self) -> tuple[Presence, ClaimFolder]:
        """The inbox, with the folder for claims. Raises HomeUnavailable if its share is away, OSError for what else is."""
        shares, inbox = Shares(self.home), self.home.inbox
        if point := shares.missing_for(inbox):
            raise HomeUnavailable(away(inbox, point))
        try:
            shares.remember()
        except OSError as fault:
            log.warning("nobody will know if a share goes away", reason=str(fault))
        presence = Presence(inbox, lambda: shares.must_be_there(inbox))
        claims = ClaimFolder(inbox, identity(self.home.root), presence)
        claims.make()
        return presence, claims

    def _compose(
        self, database: Database, presence: Presence, claims: ClaimFolder, stack: ExitStack
    ) -> tuple[Loop, Inbox, Bench]:
        settings = self.home.settings
        threads = max(2, os.cpu_count() or 2)
        company = Company(self.home.inbox, identity(self.home.root))
        stack.callback(company.leave)
        bench = Bench(self._loader.now, time.monotonic, self._note.use, self._tell, self._timing)
        inbox = Inbox(
            self.home.inbox,
            Settler(settings.intake.settle_seconds),
            Wanted(self.routes, bench, database if settings.intake.originals == "keep" else None),
            settings.intake.rescan_seconds,
            self._hints(stack),
            company,
            presence,
        )
        reader = Reader(claims, PixelBudget(MOST_PIXELS), settings.intake.max_megapixels, self._timing)
        batch_size = settings.inference.batch_size
        finisher = Finisher(self.home, claims, self.routes, database, utc, threads, self._timing)
        reception = Reception(
            inbox, claims, self.routes, bench, reader, batch_size, threads, utc, company, finisher.retract
        )
        ending = Ending(finisher, reader, self._wake, self._patiently, self._finished, self._tally.stage)
        judge = Judge(database, reuse=settings.intake.duplicates == "reuse", timing=self._timing)
        patiently, pulses = self._patiently, self._pulses
        loop = Loop(inbox, claims, reception, judge, ending, finisher, patiently, self._wake, self._stop, pulses=pulses)
        for obstacle in (
            lambda: self._loader.obstacle,
            lambda: bench.obstacle or self._fetching.obstacle(bench.loaded),
        ):
            self._health.ask(obstacle)
        return loop, inbox, bench

    def _hints(self, stack: ExitStack) -> Hints | None:
        """Events where they can be had; else the inbox is scanned more often."""
        watch = self.home.settings.intake.watch
        if watch == "scan" or (watch == "auto" and is_network(self.home.inbox)):
            return None
        hints = Hints(self.home.inbox, self._wake.set)
        try:
            hints.start()
        except OSError as fault:
            log.warning("no file system events; the inbox is scanned instead", reason=str(fault))
            return None
        stack.callback(hints.stop)
        return hints

    def _tell(self, what: str, reason: str | None) -> None:
        self._note.trouble(what, reason, utc().isoformat(timespec="seconds"))

    @contextmanager
    def _timing(self, what: str, pictures: int) -> Iterator[None]:
        """What runs for so long hangs: a fault of the picture, which the attempts on its claim tell the next process."""
        seconds = self.home.settings.inference.timeout_seconds + pictures * PICTURE_SECONDS

        def late() -> None:
            reason = f"it has taken more than {seconds:.0f} seconds, so it is thought to hang"
            log.error("starting anew" if self._start_anew else "this hangs", what=what, reason=reason)
            self._tell(what, reason)
            if self._start_anew:
                self._jobs.ask_to_end()  # the new program would not know them for its own
                self._start_anew(self._lock)

        silence = seconds + LAST_RESORT_SECONDS + AFTER_WATCH_SECONDS
        with (
            self._watch.over(seconds, late, or_end=self._start_anew is not None),
            self._pulses.during(what, silence),
            self._tally.stage(what.partition(" ")[0]),
        ):
            yield

    def _finished(self, rows: Sequence[Finished], seconds: float) -> None:
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.state.value] = counts.get(row.state.value, 0) + 1
        model = next((f"{row.model.model}/{row.model.version}" for row in rows if row.model), None)
        log.info("batch", pictures=len(rows), model=model, seconds=round(seconds, 3), **counts)
        self._tally.batch(rows, seconds)
        self._report(rows)

    def _keep_fetching(self, inbox: Inbox, bench: Bench) -> None:
        def came() -> None:
            bench.try_again()
            inbox.scan_soon()
            self._wake.set()

        fetching = self._fetching.keep_fetching
        threading.Thread(target=fetching, args=(self._stop, came), name="fetch", daemon=True).start()

    def _keep_watching(self, stack: ExitStack) -> None:
        """To the very end: what hangs must not keep the daemon from ending."""
        ended = threading.Event()

        def look() -> None:
            with self._pulses.part(health.WATCH, "looking", ANSWER_SECONDS):
                self._watch.keep_looking(ended, self._pulses.beat)

        threading.Thread(target=look, name="watch", daemon=True).start()
        stack.callback(ended.set)

    def _keep_renewing(self, bench: Bench, stack: ExitStack) -> None:
        renewal = Renewal(bench, self.registry, self._loader.beside, self._note, time.monotonic)
        thread = threading.Thread(target=renewal.keep_looking, args=(self._stop,), name="renewal", daemon=True)
        thread.start()
        stack.callback(thread.join, LONGEST_JOIN_SECONDS)

    def _keep_scheduling(self, database: Database, loop: Loop, stack: ExitStack) -> None:
        book = RunBook(database, identity(self.home.root))
        scheduler = Scheduler(self.home, JobFolder(self.home.jobs), book, self._jobs)

        def turn() -> None:
            with self._pulses.part(health.SCHEDULER, "its turn", ANSWER_SECONDS):
                scheduler.keep_turning(self._stop, utc, lambda: loop.busy, self._pulses.beat)

        thread = threading.Thread(target=turn, name="jobs", daemon=True)
        thread.start()
        stack.callback(thread.join, LONGEST_JOIN_SECONDS)
