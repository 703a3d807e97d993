"""watchdog's events, taken for what they are: hints where to look before the next scan."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from contextlib import suppress
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

    from watchdog.observers.api import BaseObserver

_WATCHDOGS_LOG = logging.getLogger("watchdog.observers.inotify_c")
# Opening and reading a file also make events; they are of no use and there are many.
_TELLING: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileClosedEvent, DirCreatedEvent, DirMovedEvent,
]  # fmt: skip


class _Overflows(logging.Handler):
    """That the system has dropped events watchdog tells nobody but its log."""

    def __init__(self, overflowed: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._overflowed = overflowed

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._overflowed()


class Hints(FileSystemEventHandler):
    """Collects the paths that events name, at most `room`; past that it asks for a scan instead.

    Not PatternMatchingEventHandler: that one drops `a.jpg.part → a.jpg` for its source's sake.
    """

    def __init__(self, inbox: Path, wake: Callable[[], None], room: int = 10_000) -> None:
        # inotify is asked not to follow links, so it would watch the link itself.
        self._inbox = os.path.realpath(inbox)
        self._wake = wake
        self._room = room
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._overflowed = False
        self._observer: BaseObserver | None = None
        self._overflows = _Overflows(self._overflow)

    def start(self) -> None:
        """Starts to listen. Raises OSError where the system lets no more folders be watched."""
        # watchdog follows a new folder twice, and says so at the length of all that it follows.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        observer = Observer()
        observer.schedule(self, self._inbox, recursive=True, event_filter=_TELLING)
        try:
            observer.start()
        except OSError:
            observer.stop()  # a thread of its own runs already
            raise
        self._observer = observer
        # It is heard here, whatever else is to be heard of watchdog, and nowhere else.
        _WATCHDOGS_LOG.setLevel(logging.WARNING)
        _WATCHDOGS_LOG.propagate = False
        _WATCHDOGS_LOG.addHandler(self._overflows)

    def stop(self) -> None:
        _WATCHDOGS_LOG.removeHandler(self._overflows)
        observer, self._observer = self._observer, None
        if observer is not None:
            with suppress(KeyError):  # watchdog loses count of folders that were moved
                observer.stop()
                observer.join()

    @property
    def alive(self) -> bool:
        """Whether events still come."""
        observer = self._observer
        if observer is None:
            return False
        # The one that reads from inotify has no public name.
        threads = [observer, *observer.emitters, getattr(observer, "_inotify_fd", observer)]
        return all(thread.is_alive() for thread in threads)

    def revive(self, *, anew: bool = False) -> None:
        """Listens anew if a thread of watchdog's has died, as of a folder moved out and made again. Scan then.

        With `anew` in any case: of a share that was away the system tells no more, and the threads do not notice.
        """
        if anew or not self.alive:
            self.stop()
            with suppress(OSError):
                self.start()

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
            elif path not in self._paths:
                self._overflowed = True
        self._wake()

    def _overflow(self) -> None:
        with self._lock:
            self._overflowed = True
        self._wake()

    def take(self) -> tuple[set[str], bool]:
        """The paths hinted at since the last call, and whether some were lost."""
        with self._lock:
            paths, self._paths = self._paths, set()
            overflowed, self._overflowed = self._overflowed, False
        return paths, overflowed
