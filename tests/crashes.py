"""Kills a process before each of its steps on disk in turn, and checks what every such crash leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EVERY = 1 if os.environ.get("WATCHER_TEST_FAULTS") == "all" else 4
SEED = int(os.environ.get("WATCHER_TEST_SEED", "0"))

# Python announces what it does to the file system before it does it (PEP 578), so that every moment
# between two steps can be met. The process is young and has no other threads, so it may fork.
_DRIVER = """
import os, signal, sys

def killed_before(step, work, folder):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = step
    def count(event, arguments):
        nonlocal left
        left -= event == "open" or event.startswith(("os.", "shutil."))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    work(folder)
    os._exit(0)

tried = 0
for step in range(int(sys.argv[2]), 1000, int(sys.argv[3])):
    folder = Path(sys.argv[1]) / str(step)
    folder.mkdir()
    prepare(folder)
    ended = killed_before(step, work, folder)
    check(folder)
    if ended != -signal.SIGKILL:
        break
    tried += 1
print(ended, tried)
"""


def crash_before_every_step(script: str, folder: Path) -> int:
    """Runs `script`, which defines `prepare(folder)`, `work(folder)` and `check(folder)`; how many steps `work` has.

    `check` is called after each crash, and once without one, by a process that was not killed, and may repeat the work.
    """
    return _crash(script, folder, 1, 1)


def crash_before_some_steps(script: str, folder: Path) -> int:
    """The same before a part of the steps, by WATCHER_TEST_SEED, or all with WATCHER_TEST_FAULTS=all; how many those were.

    For work whose every crash takes long to look at.
    """
    return _crash(script, folder, 1 + SEED % EVERY, EVERY)


def _crash(script: str, folder: Path, first: int, every: int) -> int:
    command = [sys.executable, "-c", "from pathlib import Path\n" + script + _DRIVER, folder, str(first), str(every)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ended, tried = map(int, done.stdout.split())
    assert ended == 0, done.stderr
    return tried
