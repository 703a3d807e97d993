"""What tests of the scheduler share: a home with its book of runs, and processes that only sleep."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from homes import NOON, make

from watcher.home import Home
from watcher.jobs.folder import JobFolder
from watcher.jobs.processes import Processes
from watcher.jobs.scheduler import Scheduler
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import Run, RunState

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@contextmanager
def hold(desk: Desk, job: str) -> Iterator[None]:
    """The job's lock, as its process would."""
    desk.home.job_logs.mkdir(exist_ok=True)
    handle = os.open(desk.home.job_lock(job), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


SLEEPER = (sys.executable, "-c", "import sys, time; print(sys.argv[-1], flush=True); time.sleep(60)")
FAULTY = (sys.executable, "-c", "raise SystemExit('no room')")


class Desk:
    """A home's scheduler and its book; what it starts is a real process that only sleeps."""

    def __init__(self, home: Home, book: RunBook, command: tuple[str, ...] = SLEEPER) -> None:
        self.home, self.book = home, book
        self.processes = Processes(home, command)
        self.restart()

    def restart(self) -> None:
        """As after a crash: what was in memory is gone."""
        self.scheduler = Scheduler(self.home, JobFolder(self.home.jobs), self.book, self.processes)

    def job(self, name: str, text: str) -> None:
        path = self.home.jobs / f"{name}.toml"
        path.write_text(f'model = "tiny"\n{text}\n', "utf-8")

    def turn(self, *moments: datetime) -> None:
        for moment in moments:
            self.scheduler.turn(moment)

    def states(self, job: str | None = None) -> list[RunState]:
        """Of its runs, oldest first."""
        return [run.state for run in reversed(self.book.history(job))]

    def reasons(self) -> list[str]:
        return [run.reason or "" for run in reversed(self.book.history())]

    def alive(self) -> bool:
        """Whether a process that was begun has not ended."""
        return any(child.process.poll() is None for child in self.processes._children)

    def begin(self, run: Run, pid: int = 1) -> None:
        """Notes a run as its process would."""
        here = {"host": socket.gethostname(), "pid": pid, "started_at": NOON, "tries": run.tries + 1}
        assert self.book.change(run.id, {RunState.QUEUED}, state=RunState.RUNNING, **here)


@contextmanager
def made(root: Path, models: Path) -> Iterator[Desk]:
    """A desk, whose processes are ended with it."""
    home = make(root, models)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        desk = Desk(home, RunBook(database, "mine"))
        yield desk
        desk.processes.stop()
