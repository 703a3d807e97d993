"""Opens the results of a home; an SQLite file that is damaged is first set aside and rebuilt, as far as that goes.

All of it happens under the home's lock. Rows come out of the damaged file (results/salvage.py), and what it has lost
from the disk (from_disk.py), into a new file that takes the place of the old one only when it is whole
(results/aside.py). So a start that is killed leaves the damaged file as it was, or the change to be ended by the next.
Where the file is sound and its log was garbled, results of the last moments can be missing: the disk is asked alone.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import make_url

from watcher.errors import HomeUnavailable
from watcher.intake.moves import move_new, write_durably
from watcher.results import Database, DatabaseUnavailable, connect, gaps, salvage, soundness
from watcher.results.aside import NOTE, Aside, set_aside
from watcher.service.from_disk import Refill, Refilled, anything_on
from watcher.service.reprocess import alone
from watcher.service.shares import Shares, away

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.home import Home

log = structlog.get_logger()

REPORT = """\
The results database {name} was damaged: {why}.
It was set aside here and rebuilt on {day}.

Pictures whose rows could be read:       {read:>9,}
rows of all tables that were garbled:    {garbled:>9,}
rows made from annotated copies:         {from_copies:>9,}
rows made from notes of failed pictures: {from_notes:>9,}
rows put right by their copies:          {corrected:>9,}
pictures left without labels:            {without:>9,}

What was made from a copy has only the best label, and says in its reason that it was rebuilt. `watcher verify` tells
what is missing even so, and `watcher verify --repair` mends it. Ask yourself why the file was damaged: a failing disk,
a file copied or synchronised while the daemon ran, a full memory card?

Nothing of Watcher needs this file any more. Delete it, this note and what else begins with its name (`-wal`, `-shm`) once you
do not want it either; until then `watcher status` tells of it.
"""
INTERRUPTED = """\
The results database {name} was damaged. It was set aside here and rebuilt, by a daemon that was stopped before it
could write down what it had found. `watcher verify` tells what is missing.
"""


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    salvaged: salvage.Salvaged
    refilled: Refilled
    without: int


def open_sound(home: Home, now: datetime) -> Database:
    """The results, to be written, in their newest form. Whoever calls holds the home's lock.

    Raises HomeUnavailable where a folder that is needed to rebuild them is away, OSError, and what opening a database and
    `migrate` may raise.
    """
    file = connect.target(home.settings.database.url, home.root).file
    in_doubt = file is not None and _made_sound(home, file, now)
    database = Database.open(home.settings.database.url, home.root)
    try:
        database.migrate()
        if file is not None and in_doubt:
            _ask_the_disk(home, database, now)
            soundness.trust(file)
    except BaseException:
        database.close()
        raise
    return database


def _made_sound(home: Home, file: Path, now: datetime) -> bool:
    """Sees to it that the file is sound; whether results of the last moments may be missing in it even so."""
    aside = Aside(file, move_new)
    if aside.end():
        _finish(file, set_aside(file)[-1])
    aside.begin()
    gone = not file.exists()
    in_doubt = not gone and soundness.is_in_doubt(file)
    if gone or soundness.is_blank(file):
        _all_must_be_there(home, file)
        why = ("it was gone" if gone else "it is empty") if anything_on(home) else None
        if gone and why:
            file.touch()
    else:
        why = soundness.damage_of(file, wholly=in_doubt)
    if why is None:
        if in_doubt:  # lasts until the disk was asked, whatever SQLite makes of the log
            soundness.doubt(file, "its log is garbled")
        return in_doubt
    _rebuild(home, aside, why, now)
    return False


def _rebuild(home: Home, aside: Aside, why: str, now: datetime) -> None:
    file = aside.file
    log.error("the results database is damaged; it is being rebuilt", database=str(file), reason=why)
    _all_must_be_there(home, file)
    for folder in (home.outbox, home.done, home.failed):
        if not folder.is_dir():
            raise HomeUnavailable(
                f"the results database {file} is damaged ({why}), and it cannot be rebuilt without {folder}: mount its "
                "share or, if it was removed on purpose, make an empty folder"
            )
    with ExitStack() as stack:
        stack.enter_context(alone(home, now))
        rebuilt = _fill(home, aside, now)
        place = aside.place(now)
        aside.complete(place)
        counts = {
            "read": rebuilt.salvaged.pictures,
            "garbled": rebuilt.salvaged.garbled,
            "from_copies": rebuilt.refilled.from_copies,
            "from_notes": rebuilt.refilled.from_notes,
            "corrected": rebuilt.refilled.corrected,
            "without": rebuilt.without,
        }
        day = now.astimezone(UTC).date().isoformat()
        report = REPORT.format(name=file.name, why=why, day=day, **counts)
        write_durably(place.with_name(place.name + NOTE), report.encode())
        aside.end()
        soundness.trust(file)
    log.error("the results database was damaged and is rebuilt", set_aside=str(place), reason=why, **counts)


def _fill(home: Home, aside: Aside, now: datetime) -> _Rebuilt:
    with _opened(aside.new) as new:
        new.migrate()
    try:
        salvaged = salvage.salvage(aside.file, aside.new)
    except sqlite3.Error as fault:
        raise DatabaseUnavailable(where=str(aside.new), why=f"it cannot be rebuilt now: {fault}") from None
    with _opened(aside.new) as new:
        refilled = Refill(home, new, now).run()
        without = gaps.close(new)
    return _Rebuilt(salvaged, refilled, without)


def _opened(file: Path) -> Database:
    """A database under any name, which a URL could not hold."""
    target = connect.Target(make_url("sqlite://"), str(file), file)
    return Database(connect.engine(target, readonly=False), target.where, file)


def _finish(file: Path, place: Path) -> None:
    note = place.with_name(place.name + NOTE)
    if not note.exists():
        write_durably(note, INTERRUPTED.format(name=file.name).encode())
    soundness.trust(file)
    log.error("the results database was damaged and is rebuilt", set_aside=str(place))


def _all_must_be_there(home: Home, file: Path) -> None:
    """Or an empty mount point would be taken for a folder that has nothing to tell. Raises HomeUnavailable."""
    shares = Shares(home)
    for folder in (home.inbox, home.outbox, home.done, home.failed):
        if (point := shares.missing_for(folder)) is not None:
            raise HomeUnavailable(f"the results database {file} needs a look at all folders: {away(folder, point)}")


def _ask_the_disk(home: Home, database: Database, now: datetime) -> None:
    """Adds what has a copy or a note on the disk, and no row."""
    _all_must_be_there(home, Path(database.where))
    done = Refill(home, database, now).run()
    counts = {"from_copies": done.from_copies, "from_notes": done.from_notes, "corrected": done.corrected}
    if any(counts.values()):
        log.error("the results database had lost its last results; they are made from what is on the disk", **counts)
    else:
        log.warning("the results database was in doubt; it is sound, and lacks nothing that is on the disk")
