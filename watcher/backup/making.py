"""Makes a backup while the daemon works. It takes its name when it is whole and on the disk, never before.

The database comes first. A row is written when its annotated copy stands, and its model: so all that the copied rows name is
still there when it is copied afterwards, be it by us or by whoever copies the pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import watcher
from watcher import locks
from watcher.backup.archive import FACTS, Writer, is_backup
from watcher.backup.contents import FOLDERS, Part, database_name, folder_of, name_of, parts
from watcher.errors import HomeError, HomeUnavailable
from watcher.home import SETTINGS
from watcher.intake.moves import move_new, stands, sync
from watcher.jobs.files import SUFFIX
from watcher.models.package import CARD
from watcher.results import connect
from watcher.results.copying import copy, count
from watcher.results.soundness import log_of
from watcher.service.identity import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from watcher.home import Home

    Progress = Callable[[int, int], None]

LOCK = ".watcher-backup.lock"
SPARE = 20_000_000  # bytes beyond what is known to be needed: the archive's own, and what grows meanwhile


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is whole: its file and size, and how many of what is in it.

    `pictures` is None where the results are in a database that is not in it; `elsewhere` says which that is.
    """

    file: Path
    size: int
    pictures: int | None
    models: int
    jobs: int
    corrections: int
    elsewhere: str | None


def make(
    home: Home, place: Path, now: datetime, *, overwrite: bool = False, progress: Progress = lambda _done, _whole: None
) -> Made:
    """Makes a backup in the folder `place`, under a name with the time, or as the file of that name.

    `progress` is told bytes that are done, and all. Raises HomeError if it cannot be made there, another is being
    made, or there is no room; what the database may raise; and OSError. A file of that name stays, unless `overwrite` is
    said and it is a backup.
    """
    file = place / f"watcher-{home.root.name}-{now:%Y%m%dT%H%M%SZ}.tar" if place.is_dir() else place
    _check_place(home, file, overwrite=overwrite)
    target = connect.target(home.settings.database.url, home.root)
    database = target.file if target.file is not None and target.file.exists() else None
    with _alone(home, now), ExitStack() as stack:
        # One name for all backups of a home, so that the next takes away what one that was killed has left.
        beginning = file.with_name(f".watcher-backup-{identity(home.root)}")
        half, copied = (stack.enter_context(_temporary(beginning, ending)) for ending in (".tmp", ".db.tmp"))
        held = list(parts(home))
        tally = _Tally(2 * _size(database) + sum(part.size for part in held), progress)
        _check_room(file, tally.whole)
        if database is not None:
            copy(database, copied, tally.copied(_size(database)))
            copied.chmod(database.stat().st_mode & 0o777)  # those that it is to have again
            held = [Part(database_name(home, database), copied), *parts(home)]
        pictures = count(copied) if database is not None else 0
        _write(half, _facts(home, now, None if target.file is None else pictures, target.where), held, now, tally)
        if overwrite:
            os.replace(half, file)
        else:
            move_new(half, file)
        sync(file.parent)
    return Made(
        file,
        file.stat().st_size,
        pictures=None if target.file is None else pictures,
        models=sum(part.path.name == CARD for part in held),
        jobs=sum(part.path.suffix == SUFFIX and part.path.parent == home.jobs for part in held),
        corrections=sum(part.name.startswith(f"{name_of(home, 'corrections')}/") for part in held),
        elsewhere=target.where if target.file is None else None,
    )


def _check_place(home: Home, file: Path, *, overwrite: bool) -> None:
    if not file.parent.is_dir():
        raise HomeError(f"{file.parent}: there is no such folder; make it, or mount its share")
    real = file.parent.resolve()
    if _is_own(home, real / file.name):
        raise HomeError(f"{file} is a name of the home's own: a backup belongs elsewhere, on another disk")
    if stands(file) and not overwrite:
        raise HomeError(f"{file} is there already: choose another name, or say --overwrite")
    if stands(file) and not (file.is_file() and is_backup(file)):
        raise HomeError(f"{file} is no backup of Watcher, and --overwrite replaces nothing else: choose another name")
    for kind in (*FOLDERS, "inbox", "outbox", "done", "failed"):
        if real.is_relative_to(folder_of(home, kind).resolve()):
            raise HomeError(f"{file} would be in the home's folder {kind}: a backup belongs elsewhere, on another disk")


def _is_own(home: Home, file: Path) -> bool:
    """Whether a file of this name would be taken for the settings, the database, what stands beside it, or a note."""
    if file.parent == home.root.resolve() and (file.name == SETTINGS or file.name.startswith(".watcher")):
        return True
    database = connect.target(home.settings.database.url, home.root).file
    return database is not None and file.parent == database.parent and file.name.startswith(database.name)


def _size(database: Path | None) -> int:
    if database is None:
        return 0
    log = log_of(database)
    return database.stat().st_size + (log.stat().st_size if log.exists() else 0)


def _check_room(file: Path, needed: int) -> None:
    free = shutil.disk_usage(file.parent).free
    if free < needed + SPARE:
        raise HomeError(
            f"{file.parent} has no room for the backup: {(needed + SPARE) / 1e6:,.0f} MB are needed while it is made, "
            f"{free / 1e6:,.0f} MB are free"
        )


@contextmanager
def _alone(home: Home, now: datetime) -> Iterator[None]:
    """So that what lies under a name of ours was left by somebody who was ended, and can go."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(home.root / LOCK, now))
        except locks.Locked as locked:
            raise HomeUnavailable(f"a backup of {home.root} is being made already, by {locked.who}") from None
        yield


@contextmanager
def _temporary(beginning: Path, ending: str) -> Iterator[Path]:
    """A hidden name, free at the beginning and at the end."""
    path = beginning.with_name(beginning.name + ending)
    try:
        for left in (path, path.with_name(f"{path.name}-journal")):
            left.unlink(missing_ok=True)
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _facts(home: Home, now: datetime, pictures: int | None, where: str) -> str:
    """For people, and for `restore`."""
    facts = {
        "watcher": watcher.__version__,
        "made_at": now.isoformat(timespec="seconds"),
        "home": str(home.root),
        "host": socket.gethostname(),
        "pictures": pictures,
        "database": where,
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def _write(half: Path, facts: str, held: Iterable[Part], now: datetime, tally: _Tally) -> None:
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)  # it may hold a password
    with open(handle, "wb") as file:
        writer = Writer(file, tally.add)
        writer.add_text(FACTS, facts, now.timestamp())
        for part in held:
            with suppress(FileNotFoundError):  # somebody took it out meanwhile
                if part.data is None:
                    writer.add(part.name, part.path)
                else:
                    writer.add_bytes(part.name, part.path, part.data)
        writer.end(now.timestamp())
        file.flush()
        os.fsync(handle)


class _Tally:
    """How many bytes are done, of how many: those of the database count twice, for it is copied first."""

    def __init__(self, whole: int, progress: Progress) -> None:
        self.whole = whole
        self._done = 0
        self._progress = progress

    def add(self, number: int) -> None:
        self._done += number
        self._progress(min(self._done, self.whole), self.whole)

    def copied(self, size: int) -> Progress:
        """For who copies a database of this size, and tells pages."""

        def tell(done: int, pages: int) -> None:
            self._done = 0
            self.add(size * done // max(1, pages))

        return tell
