"""What tests of jobs share: homes with a job that trains in seconds, its runs, and the processes that they work in."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import homes
import trainings
from homes import NOON

from watcher.home import Home, open_home
from watcher.jobs.attempt import attempt
from watcher.jobs.files import JobFile
from watcher.jobs.work import Bid, Work
from watcher.models.registry import Registry
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import ACTIVE, Run, RunState, Slot, Turned
from watcher.service.identity import identity

JOB = """\
model = "tones"
schedule = "@yearly"
[data]
source = "../set"
group_by = '^\\d+'
positive = "red"
[training]
base = "mobilenetv3small"
weights = "none"
input_size = 32
views = 1
precision = "float32"
blocks = ["conv"]
held_out = 0.3
"""
PATIENCE_SECONDS = 240.0  # a training gives way to all else that goes on here
# One that goes on until it is ended.
ENDLESS = JOB + "[training.fine_tune]\nepochs = 10_000\npatience = 10_000\ntop = 0.05\nbatch_size = 16\n"


@dataclass
class Bench:
    """A home with a book of runs, and pictures to learn from."""

    home: Home
    book: RunBook
    source: Path

    @property
    def registry(self) -> Registry:
        return Registry(self.home.models)

    def job(self, gate: dict[str, Any] | None = None, **changes: Any) -> JobFile:
        training = trainings.SMALL | {"views": 1, "blocks": ("conv",), "held_out": 0.3}
        data = {"source": str(self.source), "group_by": r"^\d+", "positive": "red"}
        return JobFile.model_validate(
            {"model": "tones", "data": data, "training": training, "gate": gate or {}} | changes
        )

    def run(self, job: JobFile, bid: Bid | None = None, run: Run | None = None) -> Run:
        """By hand, in this process."""
        run = run or self.book.add("tones", job.model, NOON)
        work = Work(self.home, self.registry, self.book, trainings.Watcher(), lambda: NOON)
        return attempt(work, self.book, run, job, None, lambda: NOON, bid)

    def scheduled(self) -> Run:
        self.book.turn(
            "tones", "tones", Turned(schedule="x", timezone="UTC", since=NOON), [Slot(scheduled_at=NOON)], NOON
        )
        return self.book.history("tones", 1)[0]


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A home below the folder, and pictures."""
    home = homes.make(folder / "home", folder / "models")
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        yield Bench(home, RunBook(database, identity(home.root)), trainings.drop(folder / "set", groups=10, each=3))


def make(root: Path, tiny_home_models: Path) -> Home:
    """A home with the job `tones`, its pictures, and a route to what that trains; it can be copied."""
    shutil.copytree(tiny_home_models, root / "models")
    home = homes.make(root, Path("models"), models={"default": "tiny", "routes": {"tones": "tones"}})
    trainings.drop(root / "set", groups=10, each=3)
    (home.jobs / "tones.toml").write_text(JOB, "utf-8")
    return home


def copy(home: Home, root: Path) -> Home:
    """The same home, elsewhere."""
    shutil.copytree(home.root, root)
    return open_home(root)


def runs(home: Home) -> list[Run]:
    """All of them, oldest first."""
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        return RunBook(database, identity(home.root)).history()[::-1]


def last(home: Home) -> Run:
    return runs(home)[-1]


def active(home: Home) -> list[Run]:
    return [run for run in runs(home) if run.state in ACTIVE]


def come_due(home: Home, when: datetime, job: str = "tones") -> None:
    """Notes a due time of the job, as the daemon does when one comes."""
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        book = RunBook(database, identity(home.root))
        turned = book.turned(job) or Turned(schedule="@yearly", timezone="UTC", since=when - timedelta(days=1))
        book.turn(job, "tones", turned, [Slot(scheduled_at=when)], when)


def running(home: Home, number: int | None = None) -> Run:
    """The last run, or that of a number, once it is at work."""

    def found() -> Run | None:
        now = (
            [run for run in runs(home) if number in (None, run.id)] if home.root.joinpath("watcher.db").exists() else []
        )
        return now[-1] if now and now[-1].state is RunState.RUNNING else None

    found_run = wait_for(home, found, "the run is at work")
    assert isinstance(found_run, Run)
    return found_run


def wait_for(home: Home, condition: Callable[[], Any], what: str) -> Any:
    """As `homes.wait_for`. Where that is allowed, the trainings meanwhile give way to nobody: here much else goes on."""
    due = time.monotonic()

    def hastened() -> Any:
        nonlocal due
        if time.monotonic() >= due:
            for pid in workers(home):
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0))
            due = time.monotonic() + 1
        return condition()

    return homes.wait_for(hastened, what, PATIENCE_SECONDS)


def workers(home: Home) -> list[int]:
    """The processes that the daemon has begun for runs of this home and that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if os.fsencode(home.root) in words and b"work" in words:
            found.append(int(entry.name))
    return found


def is_there(pid: int) -> bool:
    """Whether the process exists; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
