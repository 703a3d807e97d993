"""How the commands about jobs get at the jobs and at the book of their runs."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watcher.errors import JobError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.jobs.folder import Found
    from watcher.results.runbook import RunBook


@contextmanager
def book_to_read(home: Home) -> Iterator[RunBook | None]:
    """The runs of a home; None where nothing has run there yet."""
    from watcher.results import Database, NoDatabase
    from watcher.results.runbook import RunBook
    from watcher.service.identity import identity

    try:
        database = Database.open(home.settings.database.url, home.root, readonly=True)
    except NoDatabase:
        yield None
        return
    with database:
        yield RunBook(database, identity(home.root))


@contextmanager
def book_to_write(home: Home) -> Iterator[RunBook]:
    """The runs of a home, in a database that is made or brought up to date if need be."""
    from watcher.results import Database
    from watcher.results.runbook import RunBook
    from watcher.service.identity import identity

    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        yield RunBook(database, identity(home.root))


def the_job(home: Home, name: str) -> JobFile:
    """The job as its file is now. Raises JobError where there is none, SettingsError where it has faults."""
    from watcher.jobs.folder import read_folder

    files = read_folder(home.jobs)
    found = next((found for found in files if found.name == name), None)
    if found is None:
        raise JobError(no_job(name, home, files))
    if found.job is None:
        raise SettingsError(found.faults)
    return found.job


def check_name(name: str, home: Home) -> None:
    """Raises JobError where no job file has this name."""
    from watcher.jobs.folder import read_folder

    files = read_folder(home.jobs)
    if name not in {found.name for found in files}:
        raise JobError(no_job(name, home, files))


def no_job(name: str, home: Home, files: Sequence[Found]) -> str:
    """What to say of a name that is no job's."""
    names = [found.name for found in files]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}" if names else "there are none yet"
    return f"there is no job {name} in {home.jobs}: {hint}"
