"""The processes that scheduled runs work in: each its own, with its own log, giving way while pictures wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.jobs.lanes import keep_to
from watcher.models.durable import closed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watcher.home import Home
    from watcher.results.runs import Run

# What was told to end has so long to note where it is.
END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Child:
    """A run's process."""

    run: Run
    process: subprocess.Popen[bytes]
    begun: float
    """On the monotonic clock."""


class Processes:
    """Begins runs and hears of their ends; one at a time is the scheduler's affair."""

    def __init__(self, home: Home, command: Sequence[str] = (sys.executable, "-m", "watcher")) -> None:
        self._home = home
        self._command = command
        self._children: list[Child] = []
        self._all = os.sched_getaffinity(0)
        self._few = set(sorted(self._all)[: max(1, len(self._all) // 2)])

    @property
    def runs(self) -> list[int]:
        """The runs whose processes have not been heard to have ended."""
        return [child.run.id for child in self._children]

    @property
    def any(self) -> bool:
        return bool(self._children)

    def start(self, run: Run) -> None:
        """Begins a run in a process of its own, in a session of its own: Ctrl-C is not for it. Raises OSError."""
        path = log_of(self._home, run)
        path.parent.mkdir(0o755, parents=True, exist_ok=True)
        command = [*self._command, "--home", str(self._home.root), "jobs", "work", str(run.id)]
        with open(path, "ab", opener=closed) as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._children.append(Child(run, process, time.monotonic()))

    def seconds(self, run: int) -> float | None:
        """How long a run of ours has been at work; None for others."""
        return next((time.monotonic() - child.begun for child in self._children if child.run.id == run), None)

    def ended(self) -> list[Child]:
        """Those that have ended since the last call."""
        ended = [child for child in self._children if child.process.poll() is not None]
        self._children = [child for child in self._children if child not in ended]
        return ended

    def give_way(self, busy: bool) -> None:
        """While pictures wait, runs keep to half of the processors."""
        for child in self._children:
            keep_to(child.process.pid, self._few if busy else self._all)

    def kill(self, run: int) -> None:
        """Ends a run that does not heed its own time limit."""
        for child in self._children:
            if child.run.id == run:
                child.process.kill()

    def ask_to_end(self) -> None:
        """They go back into the queue, and the next start of the daemon goes on with them."""
        for child in list(self._children):
            child.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Asks all to end, and waits until they have."""
        self.ask_to_end()
        deadline = time.monotonic() + END_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children = []


def log_of(home: Home, run: Run) -> Path:
    """Where the run's process says what it does."""
    return home.job_logs / f"{run.job}-{run.id}.log"
