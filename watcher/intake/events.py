"""watchdog's events, taken for what they are: hints where to look before the next scan."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from watcher.intake.scan import is_visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Opening and reading a file also make events; they are of no use and there are many.
_TELLING: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileClosedEvent, DirCreatedEvent, DirMovedEvent,
]  # fmt: skip


class Hints(FileSystemEventHandler):
    """Collects the paths that events name, at most `room`; past that it asks for a scan instead.

    Not PatternMatchingEventHandler: that one drops `a.jpg.part → a.jpg` for its source's sake.
    """

    def __init__(self, inbox: Path, wake: Callable[[], None], room: int = 10_000) -> None:
        self._inbox = os.fspath(inbox)
        self._wake = wake
        self._room = room
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._overflowed = False
        self._observer = Observer()

    def start(self) -> None:
        """Starts to listen. Raises OSError where the system lets no more folders be watched."""
        self._observer.schedule(self, self._inbox, recursive=True, event_filter=_TELLING)
        self._observer.start()

    def stop(self) -> None:
        if self._observer.ident is not None:
            self._observer.stop()
            self._observer.join()

    @property
    def alive(self) -> bool:
        return self._observer.is_alive()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Never raises: an exception here would end watchdog's thread."""
        try:
            path = os.path.relpath(os.fsdecode(event.dest_path or event.src_path), self._inbox)
            if path.startswith(os.pardir) or not is_visible(path):
                return
        except ValueError:
            return
        with self._lock:
            if len(self._paths) < self._room:
                self._paths.add(path)
            else:
                self._overflowed = True
        self._wake()

    def take(self) -> tuple[set[str], bool]:
        """The paths hinted at since the last call, and whether some were lost."""
        with self._lock:
            paths, self._paths = self._paths, set()
            overflowed, self._overflowed = self._overflowed, False
        return paths, overflowed
