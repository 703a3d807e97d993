"""Kills a process before each of its steps on disk in turn, and checks what every such crash leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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

for step in range(1, 1000):
    folder = Path(sys.argv[1]) / str(step)
    folder.mkdir()
    prepare(folder)
    ended = killed_before(step, work, folder)
    check(folder)
    if ended != -signal.SIGKILL:
        break
print(ended, step)
"""


def crash_before_every_step(script: str, folder: Path) -> int:
    """Runs `script`, which defines `prepare(folder)`, `work(folder)` and `check(folder)`; how many steps `work` has.

    `check` is called after each crash, by a process that was not killed, and may repeat the work.
    """
    command = [sys.executable, "-c", "from pathlib import Path\n" + script + _DRIVER, folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ended, steps = map(int, done.stdout.split())
    assert ended == 0, done.stderr
    return steps
