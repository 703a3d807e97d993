"""A daemon that hangs begins anew: with the home's lock, and without the processes that its successor would not know."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import homes
import pytest
from numpy.typing import NDArray

from watcher.jobs.processes import Child
from watcher.service import daemon
from watcher.service.daemon import Daemon
from watcher.vision.outcome import Classified
from watcher.vision.vision import Vision


def test_its_jobs_are_asked_to_end_and_its_lock_goes_on(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go back into the queue, and begin again once the successor finds them there."""
    monkeypatch.setattr(daemon, "PICTURE_SECONDS", 0.1)
    home = homes.make(tmp_path, tiny_home_models, inference={"timeout_seconds": 1})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    go_on, handed = threading.Event(), []
    real = Vision.classify

    def classify(self: Vision, pictures: Sequence[NDArray[Any]]) -> list[Classified]:
        go_on.wait(homes.PATIENCE_SECONDS)
        return real(self, pictures)

    def start_anew(lock: int) -> None:
        handed.append(os.path.samestat(os.fstat(lock), os.stat(home.lock)))
        ended.append(training.wait(homes.PATIENCE_SECONDS))
        go_on.set()

    monkeypatch.setattr(Vision, "classify", classify)
    hanging = Daemon(home, lambda _: None, threading.Event(), threading.Event(), start_anew=start_anew)
    ended: list[int] = []
    with subprocess.Popen(["sleep", "600"]) as training:
        run: Any = None
        hanging._jobs._children.append(Child(run, training, time.monotonic()))
        hanging.run(once=True)
    assert (handed, ended) == ([True], [-signal.SIGTERM])
    assert len(homes.rows(home)) == 1
