"""How the results database is opened: in the right place, safely, to read or to write, and discreetly."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from watcher.errors import WatcherError
from watcher.results import (
    BadDatabaseUrl,
    Database,
    DatabaseError,
    DatabaseOnShare,
    DatabaseUnavailable,
    DriverMissing,
    Finished,
    NoDatabase,
    SchemaTooNew,
    SchemaTooOld,
    State,
    connect,
)

URL = "sqlite:///watcher.db"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PICTURE = Finished(claim="a", name="a.png", path="a.png", state=State.DONE, received_at=NOON, finished_at=NOON)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an empty database."""
    with Database.open(URL, tmp_path) as made:
        made.migrate()
    return tmp_path


def test_what_could_not_be_written_once_is_opened_anew(
    open_folder: Path, without_rights: Callable[[], AbstractContextManager[None]]
) -> None:
    """SQLite opens for reading what it may not write, and would keep it so for as long as the daemon runs."""
    with Database.open(URL, open_folder) as made:
        made.migrate()
    file = open_folder / "watcher.db"
    with Database.open(URL, open_folder) as database:
        file.chmod(0o444)
        with without_rights(), pytest.raises(DatabaseUnavailable, match="readonly"):
            database.record([PICTURE])
        file.chmod(0o644)
        database.record([PICTURE])
        assert database.counts()[State.DONE] == 1


class TestReader:
    def test_a_reader_does_not_wait_for_an_open_write(self, home: Path) -> None:
        """While a transaction is being written, a reader sees the state before it, at once."""
        with (
            Database.open(URL, home) as writer,
            closing(sqlite3.connect(home / "watcher.db", isolation_level=None)) as other,
        ):
            writer.record([PICTURE])
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE images SET state = 'failed'")
            with Database.open(URL, home, readonly=True) as reader:
                assert reader.counts()[State.DONE] == 1
                other.execute("COMMIT")
                assert reader.counts()[State.FAILED] == 1

    def test_a_reader_cannot_write(self, home: Path) -> None:
        """A database opened to read refuses a batch."""
        with Database.open(URL, home, readonly=True) as reader:
            with pytest.raises(DatabaseError, match="readonly"):
                reader.record([PICTURE])
            assert reader.recorded(["a"]) == {}

    def test_no_database_is_made_by_reading(self, tmp_path: Path) -> None:
        """Where there is none, a reader says so and leaves nothing behind."""
        with pytest.raises(NoDatabase, match="watcher run"):
            Database.open(URL, tmp_path, readonly=True)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_no_database(self, tmp_path: Path) -> None:
        """A file that the daemon has only just made has no results yet."""
        (tmp_path / "watcher.db").touch()
        with pytest.raises(NoDatabase):
            Database.open(URL, tmp_path, readonly=True)

    @pytest.mark.parametrize(("schema", "error"), [("0000", SchemaTooOld), ("9999", SchemaTooNew)])
    def test_a_reader_refuses_another_schema(self, home: Path, schema: str, error: type[WatcherError]) -> None:
        """A reader neither upgrades an older database nor guesses at a newer one."""
        stamp(home, schema)
        with pytest.raises(error):
            Database.open(URL, home, readonly=True)

    def test_a_newer_database_is_left_alone(self, home: Path) -> None:
        """An older daemon does not touch what a newer one wrote."""
        stamp(home, "9999")
        with Database.open(URL, home) as database, pytest.raises(SchemaTooNew):
            database.migrate()

    def test_what_was_recorded_survives_a_crash(self, home: Path) -> None:
        """A process that dies right after recording leaves its batch readable."""
        script = (
            "import os, sys; from pathlib import Path; from datetime import UTC, datetime\n"
            "from watcher.results import Database, Finished, State\n"
            "when = {'received_at': datetime.now(UTC), 'finished_at': datetime.now(UTC)}\n"
            "picture = Finished(claim='a', name='a.png', path='a.png', state=State.DONE, **when)\n"
            "Database.open('sqlite:///watcher.db', Path(sys.argv[1])).record([picture])\n"
            "os._exit(9)"
        )
        died = subprocess.run([sys.executable, "-c", script, str(home)], check=False)
        assert died.returncode == 9
        assert (home / "watcher.db-wal").exists()
        with Database.open(URL, home, readonly=True) as reader:
            assert list(reader.recorded(["a"])) == ["a"]

    def test_reading_starts_fast(self, home: Path) -> None:
        """Asking for results imports no Alembic, and the package alone not even SQLAlchemy."""
        script = (
            "import sys; from pathlib import Path\n"
            "from watcher.results import NoDatabase, State; assert 'sqlalchemy' not in sys.modules\n"
            "from watcher.results import Database, Filter, find\n"
            "database = Database.open('sqlite:///watcher.db', Path(sys.argv[1]), readonly=True)\n"
            "find(database, Filter()); assert 'alembic' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", script, str(home)], check=True)


def stamp(home: Path, schema: str) -> None:
    with closing(sqlite3.connect(home / "watcher.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (schema,))


class TestOpen:
    def test_a_relative_file_is_relative_to_the_home(self, tmp_path: Path) -> None:
        """The current folder does not matter, and a name may hold what a URL may not."""
        home = tmp_path / "my home #1 %41?"
        home.mkdir()
        with Database.open("sqlite:///results.db", home) as database:
            database.migrate()
        assert (home / "results.db").is_file()

    def test_sqlite_is_set_up_to_lose_nothing(self, home: Path) -> None:
        """Write-ahead log, a sync at each commit, foreign keys, and patience with other writers."""
        with Database.open(URL, home) as database, database.reading() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            values = [connection.execute(text(f"PRAGMA {pragma}")).scalar_one() for pragma in pragmas]
        assert values == ["wal", 2, 1, 30_000]

    def test_sqlite_on_a_network_share_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One line names the file and says what to do instead."""
        monkeypatch.setattr(connect, "is_network", lambda path: path.is_relative_to(tmp_path))
        with pytest.raises(DatabaseOnShare, match=r"watcher\.db.*local disk or use PostgreSQL"):
            Database.open(URL, tmp_path)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "watcher.db secret",
            "sqlite://",
            "sqlite:///:memory:",
            "sqlite://secret.db",
            "sqlite:///a.db?key=secret",
            "sqlite+aiosqlite:///secret.db",
            "mysql://me:secret@host/results",
            "postgresql://me:p@secret@host/results",
            "postgresql://me:p@host:secret/results",
            "postgresql+nosuch://me:secret@host/results",
            "postgresql+asyncpg://me:secret@host/results",
        ],
    )
    def test_a_url_that_cannot_be_used_is_refused_without_showing_it(self, url: str, tmp_path: Path) -> None:
        """The message is one line with the right form in it, and none of the URL's secrets."""
        with pytest.raises(BadDatabaseUrl, match=r"sqlite:///watcher\.db") as refusal:
            Database.open(url, tmp_path)
        assert "secret" not in str(refusal.value) + repr(refusal.value.__cause__)
        assert "\n" not in str(refusal.value)

    def test_a_missing_driver_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message says what to install, and does not show the password."""
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(DriverMissing, match=r"pip install psycopg\[binary\]") as missing:
            Database.open("postgresql://me:secret@host/results", tmp_path)
        assert "secret" not in str(missing.value)

    def test_a_server_that_does_not_answer_is_named_without_the_password(self, tmp_path: Path) -> None:
        """The world's fault is a DatabaseUnavailable, one line, with host and database and no password."""
        pytest.importorskip("psycopg")
        with (
            Database.open("postgresql://me:secret@127.0.0.1:1/results", tmp_path) as database,
            pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/results") as fault,
        ):
            database.migrate()
        assert "secret" not in str(fault.value)
        assert "\n" not in str(fault.value)

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        """Some other file is neither read nor overwritten."""
        (tmp_path / "watcher.db").write_text("Dear diary, " * 100)
        with (
            Database.open(URL, tmp_path) as database,
            pytest.raises(DatabaseError, match="not a database") as refusal,
        ):
            database.migrate()
        assert not isinstance(refusal.value, DatabaseUnavailable)  # no retry would help
        assert (tmp_path / "watcher.db").read_text().startswith("Dear diary")

    def test_a_database_locked_for_too_long_is_unavailable(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A writer that waits in vain says so, has written nothing, and can try again."""
        monkeypatch.setattr(connect, "BUSY_MS", 20)
        with (
            Database.open(URL, home) as database,
            closing(sqlite3.connect(home / "watcher.db", isolation_level=None)) as other,
        ):
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailable, match="locked"):
                database.record([PICTURE])
            other.execute("ROLLBACK")
            database.record([PICTURE])
            assert database.counts()[State.DONE] == 1
