"""From the setting `[database] url` to an engine. Nothing here shows a URL: it may hold a password."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from watcher.mounts import is_network
from watcher.results.errors import (
    BadDatabaseUrl,
    DatabaseOnShare,
    DatabaseUnavailable,
    DriverMissing,
    NoDatabase,
)

BUSY_MS = 30_000  # how long to wait for another writer before giving up
# Beyond this its log is cut once it has been written back: one reader that stays long makes it as large as a database.
LARGEST_LOG = 16 * 2**20
PACKAGES = {"psycopg": "psycopg[binary]"}  # where the module to import is not what to install


@dataclass(frozen=True, slots=True)
class Target:
    """A database that we speak: where it is, in words for people, and its file if it is SQLite."""

    url: URL
    where: str
    file: Path | None


def target(text: str, home: Path) -> Target:
    """Understand a database URL; a relative SQLite file is relative to `home`. Opens nothing.

    Raises BadDatabaseUrl, DatabaseOnShare.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # their messages may quote the URL
        raise BadDatabaseUrl(why="cannot be understood") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, home)
    if backend == "postgresql":
        return _postgresql(url)
    raise BadDatabaseUrl(why="is for neither SQLite nor PostgreSQL")


def engine(target: Target, *, readonly: bool, still: bool = False) -> Engine:
    """An engine; it connects at first use. `still`: see `soundness.opened`. Raises NoDatabase, DriverMissing."""
    if readonly and target.file is not None and not target.file.exists():
        raise NoDatabase(where=target.where)
    try:
        made = create_engine(_with_mode(target, readonly, still), hide_parameters=True)
    except ModuleNotFoundError as missing:
        name = missing.name or "its driver"
        raise DriverMissing(where=target.where, package=PACKAGES.get(name, name)) from None
    if target.file is not None:
        event.listen(made, "connect", _prepare_sqlite(target.where, readonly))
        event.listen(made, "begin", _begin_sqlite)
        event.listen(made, "connect", _note_file(target.file))
        event.listen(made, "checkout", _must_be_file(target.file, target.where))
        event.listen(made, "handle_error", _forget_readonly)
        return made
    return made.execution_options(postgresql_readonly=True) if readonly else made


def _sqlite(url: URL, home: Path) -> Target:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise BadDatabaseUrl(why="asks for a driver other than SQLite's own")
    if url.host or url.username:
        raise BadDatabaseUrl(why="needs a third slash before the file")
    if not url.database or url.database == ":memory:":
        raise BadDatabaseUrl(why="names no file")
    if url.query:
        raise BadDatabaseUrl(why="has options after a ?, and there are none for SQLite")
    file = (home / url.database).resolve()
    if is_network(file):
        raise DatabaseOnShare(where=str(file))
    return Target(url, str(file), file)


def _postgresql(url: URL) -> Target:
    # user:p@ss@host is read as host "ss@host", and a host is shown in errors: by us and by the driver.
    if "@" in (url.host or "") + (url.database or ""):
        raise BadDatabaseUrl(why="has more than one @ (write @ in a password as %40)")
    try:
        usable = not url.get_dialect().is_async
    except (NoSuchModuleError, ArgumentError):
        usable = False
    if not usable:
        raise BadDatabaseUrl(why=f"asks for {url.drivername}, a driver that Watcher cannot use")
    port = f":{url.port}" if url.port else ""
    return Target(url, f"postgresql://{url.host or ''}{port}/{url.database or ''}", None)


def _with_mode(target: Target, readonly: bool, still: bool) -> URL:
    """SQLite makes a missing file, which only a writer should."""
    if target.file is None:
        return target.url
    mode = {"mode": "ro" if readonly else "rwc", "uri": "true"} | ({"immutable": "1"} if still else {})
    return URL.create("sqlite", database=target.file.as_uri(), query=mode)


def _prepare_sqlite(where: str, readonly: bool) -> Callable[[Any, object], None]:
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver begins none by itself: see _begin_sqlite
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        if readonly:
            return
        # Readers and the writer do not wait for each other; each commit is on disk when it returns.
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise DatabaseUnavailable(where=where, why="its file system allows no write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG}")

    return prepare


def _note_file(file: Path) -> Callable[[Any, ConnectionPoolEntry], None]:
    def note(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _identity(file)

    return note


def _must_be_file(file: Path, where: str) -> Callable[[Any, ConnectionPoolEntry, object], None]:
    """What is written to a file that was deleted or set aside is lost: the next transaction is for the new one."""

    def check(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if (now := _identity(file)) is None:
            record.invalidate()
            raise DatabaseUnavailable(where=where, why="its file is gone: put it back, or start the daemon anew")
        if now != record.info["file"]:
            raise DisconnectionError(where)

    return check


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells a file from another of its name; None if there is none."""
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _forget_readonly(context: ExceptionContext) -> None:
    """SQLite opens for reading what it could not open for writing, even if only once: the next try opens it anew."""
    if getattr(context.original_exception, "sqlite_errorname", "").startswith("SQLITE_READONLY"):
        context.is_disconnect = True
        if (cursor := getattr(context.execution_context, "cursor", None)) is not None:
            cursor.close()  # while it lives, SQLite closes nothing of what the connection has opened


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that reads first and then writes can be refused, unrepeatably."""
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
