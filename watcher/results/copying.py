"""A copy of an SQLite database of one moment, made while others write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from watcher.results import soundness
from watcher.results.errors import DatabaseDamaged, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = 1000  # between two words of how far it is: 4 MB


def copy(file: Path, target: Path, progress: Callable[[int, int], None] = lambda _done, _whole: None) -> None:
    """Copies the database in `file` to a file at `target`, which must not be there; durable when it returns.

    One read transaction holds the moment for as long as the copying takes. In the write-ahead log nobody who writes
    waits for it, and what they write does not make it begin anew. `progress` is told pages that are done, and all. Raises
    DatabaseDamaged where what was copied is not sound, DatabaseUnavailable, and OSError.
    """
    # Only the owner may read it until somebody says otherwise.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        # Nobody else knows of the copy, and where it stands there may be no locks.
        with closing(soundness.opened(file)) as old, closing(_opened(target, "nolock=1")) as new:
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()
            new.execute("PRAGMA journal_mode = OFF")  # a copy that is broken off is thrown away
            new.execute("PRAGMA synchronous = OFF")
            old.backup(new, pages=PAGES, progress=lambda _, left, whole: progress(whole - left, whole))
        with closing(_opened(target, "mode=ro&immutable=1")) as copied:
            said = str(copied.execute("PRAGMA quick_check(1)").fetchone()[0])
    except soundness.FAULTS as fault:
        kind = DatabaseDamaged if soundness.tells_damage(fault) else DatabaseUnavailable
        raise kind(where=str(file), why=str(fault)) from None
    if said != "ok":
        raise DatabaseDamaged(where=str(file), why=" ".join(said.split()))
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def count(copied: Path) -> int:
    """How many pictures a copy tells of; 0 where it has no tables yet."""
    with closing(_opened(copied, "mode=ro&immutable=1")) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM images").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def _opened(file: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
