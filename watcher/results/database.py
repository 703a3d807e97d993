"""The results database: open it, write batches, ask what the daemon needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, column, inspect, select, table
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from watcher.results import connect, lookups, recording, soundness
from watcher.results.errors import (
    DatabaseDamaged,
    DatabaseError,
    DatabaseUnavailable,
    NoDatabase,
    SchemaTooNew,
    SchemaTooOld,
)
from watcher.results.records import FailedBefore, Finished, Known, ModelVersion, Recorded, State, Superseded
from watcher.results.tables import SCHEMA

# How drivers sort their errors: mistakes in what we asked, which stay as they are; the world's faults, which
# a retry may mend; and the rest, such as a file that is damaged or no database.
OURS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
THE_WORLDS = (OperationalError, InterfaceError, InternalError)
GARBLED = ("XX001", "XX002")  # what PostgreSQL says of its tables and indexes (its appendix A, class XX)
MIGRATION_LOCK = 0x57_41_54_43_48  # any number, as long as every Watcher takes the same


class Database:
    """Open for one process; its threads may share it. Every method is one transaction.

    Any method raises DatabaseUnavailable when the world is at fault (locked for 30 s, disk full, server
    gone): then nothing of it was written, and it can be repeated. DatabaseDamaged, where SQLite finds its file garbled,
    is noted beside the file, so that the daemon's next start knows.
    """

    def __init__(self, engine: Engine, where: str, file: Path | None = None) -> None:
        self.where = where  # for people: a file, or dialect, host and name; no password
        self.file = file  # of SQLite
        self._engine = engine
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")

    @classmethod
    def open(cls, url: str, home: Path, *, readonly: bool = False, still: bool = False) -> Self:
        """Open to write, then call `migrate()`; or open to read, for which the schema must be the newest.

        `still`, for a reader of a file that nobody else uses: nothing is made beside it, no note of damage either.

        Raises BadDatabaseUrl, DriverMissing, DatabaseOnShare; a reader also NoDatabase, SchemaTooOld,
        SchemaTooNew, DatabaseUnavailable.
        """
        target = connect.target(url, home)
        engine = connect.engine(target, readonly=readonly, still=still)
        database = cls(engine, target.where, None if still else target.file)
        if readonly:
            try:
                database._check_schema()
            except BaseException:
                database.close()
                raise
        return database

    def migrate(self) -> None:
        """Make the tables, or bring them up to date; two daemons may try at once. Raises SchemaTooNew."""
        with self.reading() as connection:
            found = _schema(connection)
        if found is not None and found > SCHEMA:
            raise SchemaTooNew(where=self.where)
        if found == SCHEMA:
            return
        with self._faults(), self._writer.connect() as connection:
            _prepare_migration(connection)
            with connection.begin():
                _upgrade(connection)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def record(self, batch: Sequence[Finished], superseded: Sequence[Superseded] = ()) -> None:
        """Write a batch, all or nothing, with what it says of earlier rows that failed.

        A claim that is already recorded is left as it is.
        """
        if not batch:
            return
        try:
            self._record(batch, superseded)
        except IntegrityError:
            # PostgreSQL lets two daemons write at once, and the other was first with the same model version
            # or claim, which is there to be found now. A row that is bad in itself fails again.
            self._record(batch, superseded)

    def moved(self, claim: str, original_path: str) -> None:
        """Write down that the original of a recorded claim has another place than its row says."""
        with self.writing() as connection:
            recording.moved(connection, claim, original_path)

    def recorded(self, claims: Iterable[str]) -> dict[str, Recorded]:
        """Those of the claims that are recorded: after a crash, what is left of them is to release."""
        with self.reading() as connection:
            return lookups.recorded(connection, claims)

    def classified(self, sha256s: Iterable[str], model: ModelVersion) -> dict[str, Known]:
        """Those of the contents that this very version (model, version, digest) has classified."""
        with self.reading() as connection:
            return lookups.classified(connection, sha256s, model)

    def failed(self, sha256s: Iterable[str]) -> list[FailedBefore]:
        """Pictures of these contents that failed: of those that were moved away the batch at hand is another try."""
        with self.reading() as connection:
            return lookups.failed(connection, sha256s)

    def failed_as(self, paths: Iterable[str]) -> list[FailedBefore]:
        """Pictures that were dropped under these paths and failed."""
        with self.reading() as connection:
            return lookups.failed_as(connection, paths)

    def kept(self, paths: Iterable[str]) -> dict[str, set[str]]:
        """Fingerprints of the originals that were recorded and left in the inbox, by path."""
        with self.reading() as connection:
            return lookups.kept(connection, paths)

    def counts(self) -> dict[State, int]:
        """How many pictures are in each state; every state is there."""
        with self.reading() as connection:
            return lookups.counts(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction of its own, for questions; it blocks no writer."""
        with self._faults(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction of its own, for changes: all of them or none. It waits for other writers."""
        with self._faults(), self._writer.begin() as connection:
            yield connection

    def _record(self, batch: Sequence[Finished], superseded: Sequence[Superseded]) -> None:
        with self.writing() as connection:
            recording.record(connection, batch)
            recording.supersede(connection, superseded)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as fault:
            connected = fault.statement is not None
            if connected and isinstance(fault, OURS):
                raise
            why = " ".join(str(fault.orig).split())
            # Not chained: a driver's own error may say how it was told to connect.
            if self.file is not None and soundness.tells_damage(fault.orig):
                soundness.doubt(self.file, why)
                raise DatabaseDamaged(where=self.where, why=why) from None
            if getattr(fault.orig, "sqlstate", None) in GARBLED:
                why = f"its server finds its data damaged, which whoever keeps it has to mend: {why}"
            kind = DatabaseUnavailable if isinstance(fault, THE_WORLDS) else DatabaseError
            raise kind(where=self.where, why=why) from None
        except UnicodeDecodeError as fault:
            if self.file is None:
                raise
            soundness.doubt(self.file, str(fault))
            raise DatabaseDamaged(where=self.where, why="a text in it is none") from None

    def _check_schema(self) -> None:
        with self.reading() as connection:
            found = _schema(connection)
        if found is None:
            raise NoDatabase(where=self.where)
        if found != SCHEMA:
            raise (SchemaTooOld if found < SCHEMA else SchemaTooNew)(where=self.where)


def _schema(connection: Connection) -> str | None:
    """The newest migration that this database has had, read without Alembic, which takes long to import."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version")))


def _prepare_migration(connection: Connection) -> None:
    """SQLite changes a table by making it anew, and would miss the rows that point to it meanwhile."""
    if connection.dialect.name == "sqlite":
        connection.detach()  # closed afterwards, instead of going back to the pool without foreign keys
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")


def _upgrade(connection: Connection) -> None:
    from watcher.results import migrations

    if connection.dialect.name == "postgresql":  # SQLite's transaction is the lock already
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    migrations.upgrade(connection)
