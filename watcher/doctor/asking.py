"""Questions put to a child process: what may hang, as a share does, or end whoever asks, as a library does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import watcher

Item = TypeVar("Item")

# Whom even SIGKILL does not end, for it waits for a share, is left to itself after this.
END_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child has said, a JSON object a line; its exit code, or None if it did not end in time."""

    lines: tuple[dict[str, Any], ...]
    code: int | None
    errors: str


class Asked:
    """A module of ours, run as a program beside this one; `answer` waits until `seconds` after the start."""

    def __init__(self, module: str, *args: str, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        # Found wherever we were found; and not in the current folder, which may be the one that hangs.
        path = [str(Path(watcher.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
        )

    def answer(self) -> Answer:
        """To be called once."""
        process = self._process
        try:
            out, errors = process.communicate(timeout=max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            for stream in filter(None, (process.stdout, process.stderr)):
                stream.close()
            return Answer(_lines(late.output or b""), None, "")
        return Answer(_lines(out), process.returncode, errors.decode("utf-8", "replace"))


def in_time(ask: Callable[[], Iterable[Item]], seconds: float) -> list[Item] | None:
    """All that is found by a question that may hang, put in a thread; None if it takes longer. Raises what it raises."""
    found: list[Item] = []
    faults: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(ask())
        except BaseException as fault:  # noqa: BLE001  (raised below)
            faults.append(fault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    return None if thread.is_alive() else found


def _lines(out: bytes) -> tuple[dict[str, Any], ...]:
    """Those that are whole: a child that crashed may have left half a one, and libraries print what they like."""
    found = []
    for line in out.splitlines():
        with suppress(ValueError):
            value = json.loads(line)
            found += [value] if isinstance(value, dict) else []
    return tuple(found)
