"""What tests of the daemon share: small pictures of known colours, homes with a tiny model, daemons to end again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from watcher.home import Home, make_home, open_home
from watcher.intake.company import HERE
from watcher.results import Database, Filter, ResultRow, find
from watcher.service.daemon import Daemon
from watcher.settings import Settings
from watcher.vision.vision import Vision

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COLOURS = {"red": (210, 40, 40), "green": (40, 210, 40), "blue": (40, 40, 210)}
PATIENCE_SECONDS = 120.0  # until a test is thought to hang, on however slow a machine


def picture(label: str = "red", seed: int = 0, form: str = "PNG", size: tuple[int, int] = (24, 18)) -> bytes:
    """An encoded picture that the tiny model calls `label`; no two seeds give the same bytes."""
    noise = np.random.default_rng(seed).integers(-40, 41, (size[1], size[0], 3))
    buffer = io.BytesIO()
    Image.fromarray((noise + COLOURS[label]).clip(0, 255).astype(np.uint8)).save(buffer, form)
    return buffer.getvalue()


def make(root: Path, registry: Path, **sections: dict[str, Any]) -> Home:
    """A home with the tiny models, quick to take pictures; `sections` change its settings."""
    plain: dict[str, dict[str, Any]] = {
        "folders": {"models": str(registry)},
        "intake": {"settle_seconds": 0.05, "rescan_seconds": 0.1, "watch": "scan"},
        "models": {"default": "tiny", "routes": {}},
        "inference": {"batch_size": 8, "engine": "graph"},
    }
    for name, changes in sections.items():
        plain[name] = plain.get(name, {}) | changes
    make_home(root, Settings.model_validate(plain))
    return open_home(root)


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `condition`."""
    deadline, pause = time.monotonic() + patience, 0.02
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(pause)
        pause = min(1.1 * pause, 0.1)  # what takes longer is not to be slowed down by being asked
    raise AssertionError(f"waited in vain until {what}")


def rows(home: Home) -> list[ResultRow]:
    """The results, oldest first."""
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        return find(database, Filter())[::-1]


def paths(folder: Path) -> set[str]:
    """The files below a folder, by path; claims and half-written ones too, but not a running daemon's own mark."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    return {path for path in found if not path.endswith(HERE)}


def run_once(home: Home) -> list[ResultRow]:
    """Empties the inbox in this process; all results there are then."""
    Daemon(home, lambda _: None, threading.Event(), threading.Event()).run(once=True)
    return rows(home)


@contextmanager
def daemon_thread(
    home: Home,
    report: Callable[[Sequence[object]], None] = lambda _: None,
    load: Callable[[str], Vision] | None = None,
    *,
    once: bool = False,
) -> Iterator[threading.Thread]:
    """A daemon in a thread of this process, ended as SIGTERM would; its fault, if any, is raised here."""
    wake, stop = threading.Event(), threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            Daemon(home, report, wake, stop, load).run(once=once)
        except BaseException as fault:  # noqa: BLE001  (raised below)
            faults.append(fault)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        wake.set()
        thread.join(PATIENCE_SECONDS)
        if faults:  # even where a test has waited in vain: this is why
            raise faults[0]
    assert not thread.is_alive(), "the daemon does not end"


def watcher(*args: str | Path, home: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs the real command to its end."""
    at = ["--home", str(home)] if home else []
    command = [sys.executable, "-m", "watcher", *at, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, **more)


def watcher_json(*args: str | Path, home: Path | None = None) -> Any:
    """What a command that must succeed prints with `--format json`."""
    done = watcher(*args, "--format", "json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unmeasured() -> dict[str, str]:
    """The environment for programs whose coverage is not measured: with TensorFlow that takes half as long again.

    What they run is measured where it runs in the tests' own process.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@contextmanager
def daemon_process(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon, watching; killed at the end unless it has ended. Its log is HOME/log."""
    with (home.root / "log").open("ab") as log:
        start = log.tell()
        command = [sys.executable, "-m", "watcher", "--home", str(home.root), "run"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=unmeasured())
    try:
        wait_for(lambda: b'"watching"' in _log(home, start) or process.poll() is not None, "the daemon watches")
        assert process.poll() is None, _log(home, start).decode()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _log(home: Home, start: int) -> bytes:
    with (home.root / "log").open("rb") as log:
        log.seek(start)
        return log.read()


def drop(inbox: Path, path: str | bytes, data: bytes) -> None:
    """Puts a whole picture into the inbox at once, under any name."""
    target = os.path.join(os.fsencode(inbox), os.fsencode(path))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    half = os.path.join(os.path.dirname(target), b".half.part")
    with open(half, "wb") as file:
        file.write(data)
    os.rename(half, target)
