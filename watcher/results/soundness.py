"""Whether an SQLite file is sound: looked at before the daemon uses it, as thoroughly as is cheap enough.

SQLite keeps no checksums. A look at everything, indexes included, takes a second for 20,000 pictures (a file of
20 MB) and a minute for a million; one at all pages alone, without comparing indexes with their tables, takes a
tenth of that. So small files are looked at wholly at every start, larger ones by their pages, and very large ones
only if whoever used them last did not end cleanly, which shows by the log that is left beside them. Whatever that
misses turns up in the middle of the work. Whoever meets it then leaves a note beside the file, so that the next
start looks at everything, however long that takes.

Only SQLite itself opens the file: to close it elsewhere would end the locks that this process has on it.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from watcher.results import log_file
from watcher.results.errors import DatabaseUnavailable
from watcher.results.tables import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

WHOLLY_BYTES, BY_PAGES_BYTES = 20_000_000, 500_000_000
WHOLLY, BY_PAGES = "integrity_check", "quick_check"
# Python raises the latter where SQLite's message quotes what is garbled.
FAULTS = (sqlite3.Error, UnicodeDecodeError)
NO_TEXT = "Could not decode to UTF-8"
BUSY_SECONDS = 30.0
TABLES = {"alembic_version", "images", "predictions", "model_versions"}
LATER_TABLES = {
    "0003": {"job_runs", "job_schedules"},
    "0004": {"taken_out"},
    "0005": {"counts_by_group", "counts_by_hour", "counts_by_score"},
}
_MIGRATION = re.compile(r"\d{4}")


def tells_damage(fault: object) -> bool:
    """Whether an error says that a file is garbled, or none of SQLite's. Python says so of texts."""
    if isinstance(fault, UnicodeDecodeError) or NO_TEXT in str(fault):
        return True
    name = getattr(fault, "sqlite_errorname", None) or ""
    return name.startswith("SQLITE_CORRUPT") or name == "SQLITE_NOTADB"


def log_of(file: Path) -> Path:
    """Where SQLite keeps what was written and is not in the file yet."""
    return file.with_name(f"{file.name}-wal")


def doubt(file: Path, why: str) -> None:
    """Notes that a file is in doubt, as far as that is possible: a reader may have no right to."""
    with suppress(OSError):
        _note_of(file).write_text(f"{why}\n", "utf-8")


def is_in_doubt(file: Path) -> bool:
    """Whether somebody has met damage in the file, or its log is garbled, with which results may have been lost."""
    return _note_of(file).exists() or log_file.is_garbled(log_of(file))


def trust(file: Path) -> None:
    """Ends the doubt."""
    with suppress(FileNotFoundError):
        _note_of(file).unlink()


def is_blank(file: Path, *, still: bool = False) -> bool:
    """Whether there is a file without anything in it: made just now, or cut to nothing.

    Raises DatabaseUnavailable.
    """
    if os.stat(file).st_size == 0:
        return True  # nobody may open it yet, for SQLite would throw its log away
    try:
        return not _tables(file, still)
    except FAULTS as fault:
        if tells_damage(fault):
            return False
        raise DatabaseUnavailable(where=str(file), why=str(fault)) from None


def damage_of(file: Path, *, wholly: bool, still: bool = False) -> str | None:
    """What is wrong with a file that is not blank, in SQLite's words; None if nothing was found.

    `wholly`: everything is looked at, however long that takes. What a second look does not find was the disk's, which
    did not answer once: SQLite calls that damage, too. Raises DatabaseUnavailable where the file cannot be looked at.
    """
    return _damage_of(file, wholly, still) and _damage_of(file, wholly, still)


def _damage_of(file: Path, wholly: bool, still: bool) -> str | None:
    try:
        with closing(opened(file, still=still)) as connection:
            if _is_newer(connection):  # `migrate` says so; an older Watcher would lose what it does not know
                return None
            return _missing(connection) or _look(connection, WHOLLY if wholly else _how(file))
    except FAULTS as fault:
        if tells_damage(fault):
            return str(fault)
        raise DatabaseUnavailable(where=str(file), why=str(fault)) from None


def opened(file: Path, *, still: bool = False) -> sqlite3.Connection:
    """The file, to read. SQLite makes its log and -shm for that, and a reader leaves them; not if `still`.

    That is for a file which has no log, and nobody else uses: if somebody begins to meanwhile, what is read may be wrong.
    """
    how = "mode=ro&immutable=1" if still else "mode=ro"
    connection = sqlite3.connect(f"{file.as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _note_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.in-doubt")


def _tables(file: Path, still: bool) -> set[str]:
    with closing(opened(file, still=still)) as connection:
        return _names(connection)


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _migration(connection: sqlite3.Connection) -> str | None:
    """The newest migration that the file has had; None if it does not say."""
    if "alembic_version" not in _names(connection):
        return None
    found = [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]
    return found[0] if len(found) == 1 and _MIGRATION.fullmatch(found[0]) else None


def _is_newer(connection: sqlite3.Connection) -> bool:
    found = _migration(connection)
    return found is not None and found > SCHEMA


def _missing(connection: sqlite3.Connection) -> str | None:
    """What the schema lacks, by the migration that it names."""
    names, migration = _names(connection), _migration(connection)
    if "alembic_version" not in names:
        return "the table alembic_version is missing"
    if migration is None:
        return "it does not say which form its tables have"
    wanted = TABLES.union(*(tables for since, tables in LATER_TABLES.items() if migration >= since))
    lacking = sorted(wanted - names)
    return f"the table {lacking[0]} is missing" if lacking else None


def _how(file: Path) -> str | None:
    size, log = os.stat(file).st_size, log_of(file)
    if size <= WHOLLY_BYTES:
        return WHOLLY
    unclean = log.exists() and log.stat().st_size > 0
    return BY_PAGES if size <= BY_PAGES_BYTES or unclean else None


def _look(connection: sqlite3.Connection, how: str | None) -> str | None:
    """The first thing that SQLite finds wrong."""
    if how is None:
        return None
    said = " ".join(str(connection.execute(f"PRAGMA {how}(1)").fetchone()[0]).split())
    if said != "ok":
        return said
    return _text_fault(connection) if how == WHOLLY else None


def _text_fault(connection: sqlite3.Connection) -> str | None:
    """Which table has a text that is none, of which SQLite takes no notice."""
    connection.text_factory = str
    for table in sorted(_names(connection)):
        try:
            for _ in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  (a name of the schema)
                pass
        except FAULTS as fault:
            if tells_damage(fault):
                return f"the table {table} has a text that is none"
            raise
    return None
