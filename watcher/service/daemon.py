"""The composition root: everything of a running Watcher is made, and ended, here."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from watcher.clock import utc
from watcher.errors import ModelError
from watcher.intake.claims import ClaimFolder
from watcher.intake.events import Hints
from watcher.intake.inbox import Inbox
from watcher.intake.settle import Settler
from watcher.jobs.folder import JobFolder
from watcher.jobs.processes import Processes
from watcher.jobs.scheduler import Scheduler
from watcher.models.builtin import fetch, fetchable, needs_download
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.mounts import is_network
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.service import lock
from watcher.service.at_work import AtWorkFile
from watcher.service.behind import BehindFile
from watcher.service.ending import Ending
from watcher.service.finishing import Finisher
from watcher.service.identity import identity
from watcher.service.judging import Judge
from watcher.service.kept import not_kept
from watcher.service.loop import Loop
from watcher.service.reading import PixelBudget, Reader
from watcher.service.reception import Reception
from watcher.service.renewal import Renewal
from watcher.service.routes import Bench, Routes
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from watcher.home import Home
    from watcher.intake.arrivals import Seen
    from watcher.results import Finished

log = structlog.get_logger()

# Decoded pictures held at a time: 4 bytes a pixel in Pillow, twice while a copy is drawn.
MOST_PIXELS = 200_000_000
FETCH_AGAIN_SECONDS = 600.0
# The end does not wait longer for a version that is just being loaded.
LONGEST_JOIN_SECONDS = 30.0


class Daemon:
    """One run of the daemon for a home. Whoever sets `stop`, and then `wake`, ends it after the batch in hand."""

    def __init__(
        self,
        home: Home,
        report: Callable[[Sequence[Finished]], None],
        wake: threading.Event,
        stop: threading.Event,
    ) -> None:
        self.home = home
        self.registry = Registry(home.models)
        self.routes = Routes(home.settings.models, self.registry)
        self._report = report
        self._wake = wake
        self._stop = stop

    def run(self, *, once: bool) -> None:
        """Watches until `stop`, or with `once` until the inbox is empty.

        Raises HomeError if another daemon runs here, and what opening the database may raise.
        """
        with ExitStack() as stack:
            stack.enter_context(lock.held(self.home.lock, utc()))
            database = stack.enter_context(Database.open(self.home.settings.database.url, self.home.root))
            database.migrate()
            import_keras()  # before there are threads, of which two at a time would see half of it
            loop, inbox, bench = self._compose(database, stack)
            if once:
                self._fetch_missing()
            else:
                self._fetch_missing(downloads=False)
                if self.registry.has(default := self.home.settings.models.default):
                    bench.vision(default)  # the first picture need not wait for it
                threading.Thread(target=self._keep_fetching, args=(inbox, bench), name="fetch", daemon=True).start()
            self._keep_renewing(bench, stack)
            if not once:
                self._keep_scheduling(database, loop, stack)
            log.info("watching", inbox=str(self.home.inbox), default_model=self.home.settings.models.default)
            loop.run(once=once)
            log.info("stopped")

    def _compose(self, database: Database, stack: ExitStack) -> tuple[Loop, Inbox, Bench]:
        settings = self.home.settings
        threads = max(2, os.cpu_count() or 2)
        claims = ClaimFolder(self.home.inbox, identity(self.home.root))
        claims.make()
        at_work = AtWorkFile(self.home.root)
        at_work.write({})  # what an earlier daemon has left is not true of this one
        bench = Bench(self._load, time.monotonic, at_work.write)
        inbox = Inbox(
            self.home.inbox,
            Settler(settings.intake.settle_seconds),
            Wanted(self.routes, bench, database if settings.intake.originals == "keep" else None),
            settings.intake.rescan_seconds,
            self._hints(stack),
        )
        reader = Reader(claims, PixelBudget(MOST_PIXELS), settings.intake.max_megapixels)
        batch_size = settings.inference.batch_size
        reception = Reception(inbox, claims, self.routes, bench, reader, batch_size, threads, utc)
        finisher = Finisher(self.home, claims, self.routes, database, utc, threads)
        ending = Ending(finisher, reader, self._wake, self._stop, self._finished)
        judge = Judge(database, reuse=settings.intake.duplicates == "reuse")
        return Loop(inbox, claims, reception, judge, ending, finisher, self._wake, self._stop), inbox, bench

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

    def _load(self, model: str) -> Vision:
        settings = self.home.settings
        vision = Vision(
            self.registry.current(model),
            settings.inference.engine,
            settings.inference.batch_size,
            settings.intake.max_megapixels,
        )
        log.info("model loaded", model=vision.package.id, engine=vision.engine.name)
        return vision

    def _finished(self, rows: Sequence[Finished]) -> None:
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.state.value] = counts.get(row.state.value, 0) + 1
        log.info("batch", pictures=len(rows), **counts)
        self._report(rows)

    def _fetch_missing(self, *, downloads: bool = True) -> bool:
        """Fetches the built-in models that the settings name and that are not here; whether any came."""
        came = False
        for model in sorted(self.routes.models & fetchable()):
            if self.registry.has(model) or (needs_download(model) and not downloads):
                continue
            try:
                log.info("model fetched", model=fetch(self.registry, model, utc()).id)
                came = True
            except (ModelError, OSError) as fault:
                log.warning("a model is missing; its pictures wait", model=model, reason=str(fault))
        return came

    def _keep_fetching(self, inbox: Inbox, bench: Bench) -> None:
        while not self._stop.is_set():
            if self._fetch_missing():
                bench.try_again()
                inbox.scan_soon()
                self._wake.set()
            self._stop.wait(FETCH_AGAIN_SECONDS)

    def _keep_renewing(self, bench: Bench, stack: ExitStack) -> None:
        behind = BehindFile(self.home.behind)
        behind.write(())  # what a killed daemon has left is not true of this one
        stack.callback(behind.write, ())
        renewal = Renewal(bench, self.registry, self._load, behind, time.monotonic)
        thread = threading.Thread(target=renewal.keep_looking, args=(self._stop,), name="renewal", daemon=True)
        thread.start()
        stack.callback(thread.join, LONGEST_JOIN_SECONDS)

    def _keep_scheduling(self, database: Database, loop: Loop, stack: ExitStack) -> None:
        book = RunBook(database, identity(self.home.root))
        scheduler = Scheduler(self.home, JobFolder(self.home.jobs), book, Processes(self.home))
        turning = self._stop, utc, lambda: loop.busy
        thread = threading.Thread(target=scheduler.keep_turning, args=turning, name="jobs", daemon=True)
        thread.start()
        stack.callback(thread.join, LONGEST_JOIN_SECONDS)


class Wanted:
    """Picks, from pictures that were seen, those to be taken: their model is ready and they are not done already."""

    def __init__(self, routes: Routes, bench: Bench, kept_in: Database | None) -> None:
        self._routes = routes
        self._bench = bench
        self._kept_in = kept_in

    def __call__(self, pictures: Sequence[Seen]) -> Iterable[Seen]:
        wanted = pictures if self._kept_in is None else not_kept(pictures, self._kept_in)
        return [seen for seen in wanted if self._bench.vision(self._routes.model_of(seen.path))]
