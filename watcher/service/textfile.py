"""The figures as a file that node_exporter's textfile collector reads: for machines on which nothing may listen."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from prometheus_client import generate_latest

from watcher.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.registry import Collector

log = structlog.get_logger()

EVERY_SECONDS = 15.0
PATIENCE_SECONDS = 15.0
# node_exporter is another user.
READABLE_BY_ALL = 0o644


def write(path: Path, figures: Collector) -> None:
    """Puts a whole file in the place of the one before. Raises OSError.

    Not prometheus_client's own way, which leaves who may read it to the umask.
    """
    half = path.with_name(f".{path.name}.tmp")  # not *.prom, or node_exporter would read it
    with suppress(FileNotFoundError):
        half.unlink()
    text = generate_latest(figures)
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, READABLE_BY_ALL)
    try:
        with open(handle, "wb") as file:
            os.fchmod(handle, READABLE_BY_ALL)
            file.write(text)
        os.replace(half, path)
    except OSError:
        with suppress(OSError):
            half.unlink()
        raise


@contextmanager
def kept_up(path: Path, figures: Collector) -> Iterator[None]:
    """Writes the file again and again while the block runs, and removes it at its end.

    So figures of a daemon that was ended are missing, not old. After a crash they are old, which node_exporter tells.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_keep_writing, args=(path, figures, stop), name="textfile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)  # not for ever: its disk may hang
        with suppress(OSError):
            path.unlink()


def _keep_writing(path: Path, figures: Collector, stop: threading.Event) -> None:
    repeated = Repeated()
    while True:
        try:
            write(path, figures)
            repeated.over({""}, log.info, "the file for monitoring is written again", file=str(path))
        except OSError as fault:
            reason = fault.strerror or str(fault)
            facts = {"file": str(path), "reason": reason}
            repeated.say("", log.error, "the file for monitoring cannot be written; trying again", **facts)
        if stop.wait(EVERY_SECONDS):
            return
