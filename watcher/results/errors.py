"""What can go wrong with the results database; the docstring of each is its message.

DatabaseError
├── BadDatabaseUrl         the setting cannot be understood, or names a database that we do not speak
├── DriverMissing          the Python package for it is not installed
├── DatabaseOnShare        SQLite on a network file system
├── NoDatabase             nothing there to read
├── SchemaTooOld           a reader must not upgrade; the daemon does
├── SchemaTooNew           written by a later Watcher
├── DatabaseDamaged        SQLite finds its file garbled; the daemon's next start rebuilds it
└── DatabaseUnavailable    the world's fault, not the data's: locked, disk full, server gone. Worth a retry

No message carries a URL: it may hold a password. `where` is the file, or dialect, host and database name.
"""

from __future__ import annotations

from watcher.errors import WatcherError


class DatabaseError(WatcherError):
    """the results database {where} cannot be used: {why}"""

    def __init__(self, **facts: str) -> None:
        super().__init__((self.__doc__ or "").format(**facts))


class BadDatabaseUrl(DatabaseError):
    """the database URL {why}: write sqlite:///watcher.db or postgresql://user:password@host/database"""


class DriverMissing(DatabaseError):
    """the database {where} needs the Python package {package}: `pip install {package}`"""


class DatabaseOnShare(DatabaseError):
    """{where} is on a network file system, unsafe for SQLite: put it on a local disk or use PostgreSQL"""


class NoDatabase(DatabaseError):
    """there are no results at {where} yet: `watcher run` makes the database"""


class SchemaTooOld(DatabaseError):
    """the results database {where} is an older Watcher's: start `watcher run` once to upgrade it"""


class SchemaTooNew(DatabaseError):
    """the results database {where} was written by a newer Watcher than this one: update this one"""


class DatabaseDamaged(DatabaseError):
    """the results database {where} is damaged ({why}): the next start of `watcher run` sets it aside and rebuilds it"""


class DatabaseUnavailable(DatabaseError):
    """the results database {where} does not answer: {why}"""
