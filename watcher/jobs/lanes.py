"""Which processors a process may use: unlike its number of threads, that can change while it runs."""

from __future__ import annotations

import contextlib
import os


def keep_to(process: int, processors: set[int]) -> None:
    """Keeps all threads of a process to these processors; threads that they start later inherit it."""
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError):
                if os.sched_getaffinity(int(thread)) != processors:
                    os.sched_setaffinity(int(thread), processors)
