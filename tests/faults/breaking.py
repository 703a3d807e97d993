"""Runs of the tiny daemon, each broken at one system call."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from scenes import SCENES, Stage, Stages
from tracing import CHANGES, Following

LONGEST_SECONDS = 60
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: how it ended, what it said, what strace saw."""

    code: int
    said: str
    trace: bytes = b""


class TinyDaemons:
    """The program that forks daemons; one run at a time."""

    def __init__(self, stages: Stages) -> None:
        home = stages.set_up(SCENES["move"], "first", pictures=())
        outside = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
        path = os.pathsep.join(filter(None, [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, HERE / "tiny_daemon.py", home.root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=outside | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path},
        )
        assert self._hear() == "ready"
        stages.learn(home)
        self._numbers = count()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, stage: Stage, ids: str, **strace: Any) -> Ran:
        """One run to its end, followed by strace if that is told anything; `ids` makes those of claims."""
        log = stage.near / f"log {next(self._numbers)}"
        self._say(json.dumps({"home": str(stage.root), "ids": ids, "log": str(log)}))
        pid = int(self._hear())
        following = Following(pid, f"{log} strace", **strace) if strace else None
        self._say("go")
        try:
            code = int(self._hear())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._hear()
            code = 124
        return Ran(code, log.read_text(errors="replace"), following.end() if following else b"")

    def watch(self, stage: Stage, ids: str) -> Ran:
        """A run that meets no fault; what it does to the file system."""
        calls = [call for kind in CHANGES.values() for call in kind]
        return self.run(stage, ids, calls=calls, inject=stage.scene.inject)

    def _say(self, word: str) -> None:
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()

    def _hear(self) -> str:
        if not select.select([self._process.stdout], [], [], LONGEST_SECONDS)[0]:
            raise TimeoutError
        return self._process.stdout.readline().decode().strip()
