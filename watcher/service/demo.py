"""The first thing a newcomer runs: a home, a daemon, three photographs, their rows and their annotated copies."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import WatcherError
from watcher.home import make_home, open_home
from watcher.results import Database, DatabaseUnavailable, NoDatabase, SchemaTooOld
from watcher.settings import Inference, Intake, Models, Settings
from watcher.vision.photographs import photographs

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.home import Home
    from watcher.results import ResultRow

MODEL = "efficientnet-lite0"
LONGEST_SECONDS = 180.0
LOG = "demo.log"


def demo(say: Callable[[str], None]) -> tuple[Home, list[ResultRow]]:
    """Runs a daemon on a new temporary home until three photographs are classified; the home stays.

    Raises WatcherError if the daemon ends early or takes too long.
    """
    root = Path(tempfile.mkdtemp(prefix="watcher-demo-"))
    quick = Inference(engine="graph")  # for three pictures no trial of others is worth its time
    make_home(
        root, Settings(intake=Intake(settle_seconds=0.5), models=Models(default=MODEL, routes={}), inference=quick)
    )
    home = open_home(root)
    say(f"A new home in {root}, with the model {MODEL}.")
    with (root / LOG).open("wb") as log:
        command = [sys.executable, "-m", "watcher", "--home", str(root), "run"]
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            say(f"The daemon runs (process {daemon.pid}). Three photographs go into its inbox:")
            for name in _drop_photographs(home.inbox):
                say(f"  {name}")
            return home, _wait_for_rows(home, daemon, len(photographs()))
        finally:
            _end(daemon)


def _drop_photographs(inbox: Path) -> list[str]:
    for source in photographs():
        half = inbox / f".{source.name}.part"
        shutil.copyfile(source, half)
        half.rename(inbox / source.name)
    return [source.name for source in photographs()]


def _wait_for_rows(home: Home, daemon: subprocess.Popen[bytes], count: int) -> list[ResultRow]:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            last = (home.root / LOG).read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise WatcherError(f"the daemon ended early: {last[0] if last else f'exit code {daemon.returncode}'}")
        rows = _rows(home)
        if len(rows) >= count:
            return rows
        time.sleep(0.1)
    raise WatcherError(f"the daemon took longer than {LONGEST_SECONDS:.0f} s; {home.root / LOG} says what it did")


def _rows(home: Home) -> list[ResultRow]:
    from watcher.results import Filter, find

    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            return find(database, Filter())
    except (NoDatabase, SchemaTooOld, DatabaseUnavailable):  # it is being made
        return []


def _end(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
