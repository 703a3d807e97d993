"""The database as Datasette reads it: never written to, nothing attached, and no longer than its limits say."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from datasette.app import Datasette
from datasette.database import Database, QueryInterrupted
from datasette.utils.sqlite import sqlite3

from watcher.results.browse.site import CannotOpen, TooLarge

LARGEST = 2**20  # bytes of a text or a row that SQL makes
LARGEST_ANSWER = 32 * 2**20  # bytes of memory for the rows of one question
MOST_COLUMNS = 60  # SQLite has all of a row in memory

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_PRAGMAS = {
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "max_page_count",
    "page_count",
    "page_size",
    "schema_version",
    "table_info",
    "table_xinfo",
}


class _Cursor(sqlite3.Cursor):  # type: ignore[misc]
    """Breaks off what becomes too large while it is fetched. Raises TooLarge."""

    def fetchall(self) -> list[Any]:
        return self.fetchmany(sys.maxsize)

    def fetchmany(self, size: int = 1) -> list[Any]:
        rows, taken = [], 0
        for row in islice(self, size):
            taken += sum(map(sys.getsizeof, row))
            if taken > LARGEST_ANSWER:
                raise TooLarge(f"An answer may take {LARGEST_ANSWER >> 20} MiB. Ask for fewer rows or columns.")
            rows.append(row)
        return rows


class _Connection(sqlite3.Connection):  # type: ignore[misc]
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class ReadOnly(Database):  # type: ignore[misc]  # Datasette has no types
    """A connection for each thread, to the file that has the name now."""

    def __init__(self, datasette: Datasette, file: Path) -> None:
        super().__init__(datasette, str(file))
        self._file = file
        self._here = threading.local()
        self._open: set[Any] = set()
        self._ended = False

    def connect(self, write: bool = False) -> Any:
        """Raises sqlite3.OperationalError, also where it is to write."""
        if write:
            raise sqlite3.OperationalError("this database is only read here")
        connection = sqlite3.connect(
            f"{self._file.as_uri()}?mode=ro", uri=True, check_same_thread=False, factory=_Connection
        )
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MOST_COLUMNS)
        connection.set_authorizer(_may)
        return connection

    async def execute(self, sql: str, *values: Any, **more: Any) -> Any:
        """As Datasette does, but for lines in the terminal about what anybody has typed wrong."""
        return await super().execute(sql, *values, **more | {"log_sql_errors": False})

    async def execute_fn(self, fn: Callable[[Any], Any]) -> Any:
        """Raises TooLarge, CannotOpen, and what `fn` raises."""
        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, self._told, fn)

    async def attached_databases(self) -> list[Any]:
        """None: to ask SQLite would tell where the file is."""
        return []

    def end(self) -> None:
        """Breaks off what is being asked, and lets nothing more be asked."""
        self._ended = True
        for connection in list(self._open):
            connection.interrupt()

    def _told(self, fn: Callable[[Any], Any]) -> Any:
        """Here, for Datasette tells some faults of SQLite's raw, and others not at all."""
        try:
            return fn(self._connection())
        except sqlite3.DataError:
            raise TooLarge(f"A text or a row may take {LARGEST >> 20} MiB.") from None
        except sqlite3.OperationalError as fault:
            if told := CannotOpen.of(fault):
                raise told from None
            raise

    def _connection(self) -> Any:
        if self._ended:
            raise QueryInterrupted(sqlite3.OperationalError("interrupted"), "", {})
        status = os.stat(self._file)
        identity = status.st_dev, status.st_ino
        if getattr(self._here, "identity", None) != identity:
            if old := getattr(self._here, "connection", None):
                self._open.discard(old)
                old.close()
            self._here.connection = self.connect()
            self._here.identity = identity
            self._open.add(self._here.connection)
            self.ds._prepare_connection(self._here.connection, self.name)  # noqa: SLF001  (as its own class does)
        return self._here.connection


def _may(action: int, first: str | None, *_: object) -> int:
    """What SQL may do. It may not ask where the file is, attach others or change anything."""
    allowed = action in _READS or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    return int(sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY)
