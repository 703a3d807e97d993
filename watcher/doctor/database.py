"""The results database: can it be opened, read and written, is it sound, and how long does a commit take?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING, Any

from watcher.doctor.findings import Finding, Level, said
from watcher.doctor.probe import PREFIX
from watcher.intake.claims import new_id
from watcher.results import Database, DatabaseError, NoDatabase, SchemaTooOld, connect, soundness
from watcher.results.aside import set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.home import Home
    from watcher.results.connect import Target

AREA = "database"
# A look at more takes longer than anybody waits; the daemon looks when it starts.
LOOKED_AT_BYTES = 100e6
SLOW_MS, COMMITS = 200.0, 5
OLDEST_POSTGRESQL = 150_000
CONNECT_SECONDS = "5"


def target(home: Home) -> Target | Finding:
    """Where it is, or why that cannot be."""
    try:
        return connect.target(home.settings.database.url, home.root)
    except DatabaseError as fault:
        return Finding(AREA, "url", Level.FAULT, str(fault), "mend url under [database] in watcher.toml")


def findings(home: Home, where: Target) -> Iterator[Finding]:
    """All that can be told without changing it."""
    if where.file is not None:
        yield from _sqlite(home, where.file)
    else:
        yield from _postgresql(home, where)


def _sqlite(home: Home, file: Path) -> Iterator[Finding]:
    for damaged in set_aside(file):
        found = f"it was damaged and has been rebuilt; {damaged} is what is left of the old one"
        yield Finding(AREA, "rebuilt", Level.NOTE, found, f"read {damaged.name}.reason.txt, then delete the two")
    if file.exists():
        yield _size(file)
    yield from _looked_at(home, file)
    yield _commits(file.parent)


def _looked_at(home: Home, file: Path) -> list[Finding]:
    """Without a trace: SQLite's two files beside it are not made where nobody uses it."""
    if not _in_use(file) and (logged := _logged(file)):
        last = f"{said(logged)} that somebody wrote last are still in its log"
        return [Finding(AREA, "results", Level.NOTE, last, "start the daemon, which reads them, and ask again")]
    for still in (not _in_use(file), False):
        found = [*_opened(home, still=still), *(_soundness(file, still=still) if file.exists() else ())]
        if not still or not _in_use(file):  # else a daemon was started under our eyes
            break
    return found


def _in_use(file: Path) -> bool:
    """Whether SQLite's memory for several processes is there, as it is while any has the file open, and after a crash."""
    return file.with_name(f"{file.name}-shm").exists()


def _logged(file: Path) -> int:
    log = soundness.log_of(file)
    return log.stat().st_size if log.exists() else 0


def _opened(home: Home, *, still: bool = False) -> Iterator[Finding]:
    """Whether a reader can use it as it is."""
    try:
        with Database.open(home.settings.database.url, home.root, readonly=True, still=still) as database:
            pictures = sum(database.counts().values())
            yield Finding(AREA, "results", Level.OK, f"{database.where} can be read: {pictures:,} rows")
    except (NoDatabase, SchemaTooOld) as fault:
        yield Finding(AREA, "results", Level.NOTE, str(fault))
    except DatabaseError as fault:
        yield Finding(AREA, "results", Level.FAULT, str(fault), "")


def _size(file: Path) -> Finding:
    size, logged = file.stat().st_size, _logged(file)
    found = f"{said(size)}, and {said(logged)} in its log"
    if logged > max(1e9, size):
        advice = "end what reads it since long, such as an open viewer: the log cannot be emptied meanwhile"
        return Finding(AREA, "size", Level.WARNING, found, advice)
    return Finding(AREA, "size", Level.OK, found)


def _soundness(file: Path, *, still: bool) -> Iterator[Finding]:
    if file.stat().st_size > LOOKED_AT_BYTES:
        found = "too large to be looked through here"
        yield Finding(AREA, "soundness", Level.OK, f"{found}; `sqlite3 {file} 'PRAGMA quick_check'` does that")
        return
    advice = "the daemon's next start sets it aside and rebuilds it; make a copy of it first, to be sure"
    try:
        if not soundness.is_blank(file, still=still) and (damage := _damage(file, still)):
            yield Finding(AREA, "soundness", Level.FAULT, f"it is damaged: {damage}", advice)
        elif soundness.is_in_doubt(file):
            yield Finding(AREA, "soundness", Level.WARNING, "somebody has met damage in it, or in its log", advice)
        else:
            yield Finding(AREA, "soundness", Level.OK, "no damage found")
    except (DatabaseError, OSError) as fault:
        yield Finding(AREA, "soundness", Level.WARNING, f"it cannot be looked at: {fault}", "try again in a minute")


def _damage(file: Path, still: bool) -> str | None:
    return soundness.damage_of(file, wholly=False, still=still)


def _commits(folder: Path) -> Finding:
    """How long a commit takes there, in a database of our own that goes again."""
    mine = folder / f"{PREFIX}{new_id()}"
    try:
        mine.mkdir(0o700)
        with closing(sqlite3.connect(mine / "try.db", isolation_level=None)) as connection:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                found = f"the file system of {folder} allows no write-ahead log"
                return Finding(
                    AREA, "commits", Level.FAULT, found, "put the database on a local disk, or use PostgreSQL"
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE tried (number INTEGER)")
            taken = median(_timed(connection, number) for number in range(COMMITS))
    except (OSError, sqlite3.Error) as fault:
        found = f"nothing can be written beside it: {getattr(fault, 'strerror', None) or fault}"
        advice = f"give the daemon's user the right to write to {folder}, or ask as that user"
        return Finding(AREA, "commits", Level.FAULT, found, advice)
    finally:
        shutil.rmtree(mine, ignore_errors=True)
    return _latency(taken, "put the database on a faster disk: each batch waits for one commit")


def _timed(connection: sqlite3.Connection, number: int) -> float:
    begun = time.perf_counter()
    connection.execute("INSERT INTO tried VALUES (?)", (number,))
    return 1000 * (time.perf_counter() - begun)


def _latency(milliseconds: float, advice: str) -> Finding:
    found = f"one takes {milliseconds:.3g} ms"
    slow = milliseconds > SLOW_MS
    return Finding(AREA, "commits", Level.WARNING if slow else Level.OK, found, advice if slow else "")


def _postgresql(home: Home, where: Target) -> Iterator[Finding]:
    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)
    advice = "see whether the server runs and lets this machine in (pg_hba.conf), and mend url under [database]"
    try:
        with Database.open(home.settings.database.url, home.root) as database, database.reading() as connection:
            found = list(_server(connection, where))
    except DatabaseError as fault:
        yield Finding(AREA, "server", Level.FAULT, str(fault), advice)
        return
    yield from found
    if all(each.level is not Level.FAULT for each in found):
        yield from _opened(home)


def _server(connection: Any, where: Target) -> Iterator[Finding]:
    """Its version, what we may do there, and how far away it is."""
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    shown = connection.exec_driver_sql("SHOW server_version").scalar_one()
    if version < OLDEST_POSTGRESQL:
        yield Finding(AREA, "server", Level.FAULT, f"{where.where} is PostgreSQL {shown}", "update it to 15 or newer")
    else:
        yield Finding(AREA, "server", Level.OK, f"{where.where} answers: PostgreSQL {shown}")
    yield _privileges(connection)
    begun = time.perf_counter()
    for _ in range(COMMITS):
        connection.exec_driver_sql("SELECT 1")
    taken = 1000 * (time.perf_counter() - begun) / COMMITS
    found = f"a question and its answer take {taken:.3g} ms"
    far = taken > SLOW_MS / 4
    advice = "bring the server nearer: each batch takes some dozen questions" if far else ""
    yield Finding(AREA, "distance", Level.WARNING if far else Level.OK, found, advice)


def _privileges(connection: Any) -> Finding:
    user = connection.exec_driver_sql("SELECT current_user").scalar_one()
    may_make = connection.exec_driver_sql("SELECT has_schema_privilege(current_schema(), 'CREATE')").scalar_one()
    lacking = connection.exec_driver_sql(
        "SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' "
        "AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') "
        "AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))"
    ).scalar_one()
    if may_make and not lacking:
        return Finding(AREA, "privileges", Level.OK, f"{user} may do all that is needed")
    what = f"change {lacking}" if lacking else "make tables in its schema"
    advice = f"as the database's owner: GRANT ALL ON SCHEMA public TO {user}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {user};"
    return Finding(AREA, "privileges", Level.FAULT, f"{user} may not {what}", advice)


def folder(where: Target) -> Path | None:
    """The folder that SQLite's file stands in; None for a server."""
    return where.file.parent if where.file else None
