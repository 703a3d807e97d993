"""Questions to the database, each in a thread, and none for long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection

from watcher.results import Database, DatabaseUnavailable
from watcher.results.browse.site import TooSlow

Answer = TypeVar("Answer")

AT_ONCE = 4
LONGEST_SECONDS = 2.0
STEPS = 20_000  # of SQLite's machine between two looks at the clock


class Questions:
    """Asks a database that is open for reading, until it is closed."""

    def __init__(self, database: Database, longest: float = LONGEST_SECONDS) -> None:
        self._database = database
        self._longest = longest
        self._pool = ThreadPoolExecutor(AT_ONCE, "question")
        self._ending = threading.Event()

    async def ask(self, question: Callable[..., Answer], *values: Any) -> Answer:
        """What `question(connection, *values)` returns, all of one moment. Raises TooSlow, DatabaseError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question, values)

    def close(self) -> None:
        """Breaks off what is being asked."""
        self._ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, question: Callable[..., Answer], values: tuple[Any, ...]) -> Answer:
        until = time.monotonic() + self._longest
        try:
            with self._database.reading() as connection:
                raw = _raw(connection)
                raw.set_progress_handler(lambda: self._ending.is_set() or time.monotonic() > until, STEPS)
                try:
                    return question(connection, *values)
                finally:
                    raw.set_progress_handler(None, 0)
        except DatabaseUnavailable:
            if time.monotonic() > until or self._ending.is_set():
                raise TooSlow("There are too many pictures to look through for this at once") from None
            raise


def _raw(connection: Connection) -> Any:
    """SQLite's own connection, for what only that can do."""
    return connection.connection.driver_connection
