"""The migrations lead from nothing to the tables as they are, from anywhere, quietly, all or nothing."""

from __future__ import annotations

import logging
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from watcher.results import Database, SchemaTooOld, migrations, tables

URL = "sqlite:///watcher.db"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Database.open(URL, tmp_path) as database:
        database.migrate()
    return tmp_path


def test_the_migrated_schema_is_that_of_the_tables(tmp_path: Path, empty_url: str) -> None:
    """Alembic finds no difference between the tables and a migrated database."""
    with Database.open(empty_url, tmp_path) as database:
        database.migrate()
        with database.reading() as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            assert compare_metadata(context, tables.Base.metadata) == []


def test_constraints_are_those_of_the_tables(home: Path) -> None:
    """What Alembic does not compare, such as CHECKs, is the same to the letter in SQLite."""
    engine = create_engine(f"sqlite:///{home}/new.db")
    tables.Base.metadata.create_all(engine)
    engine.dispose()
    migrated = statements(home / "watcher.db")
    assert migrated.items() >= statements(home / "new.db").items()


def statements(file: Path) -> dict[str, str]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def test_the_view_is_there(home: Path) -> None:
    """The one place that people query exists and can be read."""
    with Database.open(URL, home, readonly=True) as database, database.reading() as connection:
        views = "results", "labels_by_group", "labels_by_hour", "labels_by_score", "changed_labels"
        assert set(inspect(connection).get_view_names()) == set(views)
        assert connection.execute(text("SELECT * FROM results")).all() == []


def test_readers_know_the_newest_migration() -> None:
    """The number in the code, which spares readers the import of Alembic, is that of the last migration."""
    assert ScriptDirectory.from_config(migrations.config()).get_heads() == [tables.SCHEMA]


def test_migrations_are_numbered_in_order() -> None:
    """Numbers of four digits, each one higher, so that older and newer can be told by comparing."""
    newest_first = [script.revision for script in ScriptDirectory.from_config(migrations.config()).walk_revisions()]
    assert newest_first[::-1] == [f"{number:04}" for number in range(1, len(newest_first) + 1)]


def test_migrating_again_does_nothing(home: Path) -> None:
    """A daemon that starts on an up-to-date database leaves it, without so much as importing Alembic."""
    script = (
        "import sys; from pathlib import Path; from watcher.results import Database\n"
        f"Database.open({URL!r}, Path(sys.argv[1])).migrate(); assert 'alembic' not in sys.modules"
    )
    before = statements(home / "watcher.db")
    subprocess.run([sys.executable, "-c", script, str(home)], check=True)
    assert statements(home / "watcher.db") == before


def test_daemons_may_start_at_the_same_time(tmp_path: Path) -> None:
    """Of several processes that find no database, one makes it and all go on."""
    script = (
        "import sys; from pathlib import Path; from watcher.results import Database, SchemaTooOld, migrations\n"
        f"database = Database.open({URL!r}, Path(sys.argv[1]))\n"
        "print('ready', flush=True); sys.stdin.readline(); database.migrate(); database.counts()"
    )
    daemons = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    for daemon in daemons:
        assert daemon.stdout is not None
        daemon.stdout.readline()
    for daemon in daemons:
        daemon.communicate(b"go\n", timeout=60)
    assert [daemon.returncode for daemon in daemons] == [0, 0, 0]


def test_migrating_needs_no_particular_folder_and_keeps_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """From an empty current folder, nothing printed, and logging stays as the application set it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    logger, handlers, level = logging.getLogger("watcher.test"), logging.root.handlers[:], logging.root.level
    with Database.open(URL, tmp_path) as database:
        database.migrate()
    assert capfd.readouterr() == ("", "")
    assert (logger.disabled, logging.root.handlers, logging.root.level) == (False, handlers, level)
    assert list(elsewhere.iterdir()) == []


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash on the way leaves the database as it was, and the next start makes it whole."""
    upgrade = migrations.upgrade

    def crash(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "upgrade", crash)
    with Database.open(URL, tmp_path) as database:
        with pytest.raises(RuntimeError, match="power cut"):
            database.migrate()
        assert statements(tmp_path / "watcher.db") == {}
        monkeypatch.undo()
        database.migrate()
        assert "results" in statements(tmp_path / "watcher.db")


def test_foreign_keys_hold_after_migrating(tmp_path: Path) -> None:
    """Off while tables may be made anew, they are on again for whatever comes after."""
    with Database.open(URL, tmp_path) as database:
        database.migrate()
        with database.reading() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


@pytest.mark.parametrize("number", range(1, int(tables.SCHEMA)))
def test_a_database_of_an_earlier_form_is_brought_up_to_date(home: Path, tmp_path: Path, number: int) -> None:
    """What is recorded stays; until the daemon has started, a reader is told what to do."""
    newest = statements(home / "watcher.db")
    old = tmp_path / "old"
    old.mkdir()
    engine = create_engine(f"sqlite:///{old}/watcher.db")
    with engine.begin() as connection:
        command.upgrade(migrations.config(connection), f"{number:04}")
        connection.execute(
            text(
                "INSERT INTO images (claim, name, path, grp, state, received_at, finished_at, attempts) "
                "VALUES ('c', 'a.png', 'a.png', '', 'failed', '2026', '2026', 1)"
            )
        )
    engine.dispose()
    assert statements(old / "watcher.db") != newest
    with pytest.raises(SchemaTooOld):
        Database.open(URL, old, readonly=True)
    with Database.open(URL, old) as database:
        database.migrate()
        assert database.recorded(["c"]).keys() == {"c"}
    assert statements(old / "watcher.db") == newest


# What a column holds where not any text or number will do.
WORDS = {"images.state": "done", "job_runs.state": "promoted", "job_runs.trigger": "hand", "taken_out.part": "copy"}
REFERENCES = ("image_id", "model_version_id")
COUNTED = "counts_by_"  # kept by triggers and by what adds pictures, from rows of other tables


def test_every_row_of_every_table_comes_through_every_migration(tmp_path: Path) -> None:
    """At each form a row is added to each table that there is; in the last one all have what they had."""
    file = tmp_path / "watcher.db"
    engine = create_engine(f"sqlite:///{file}")
    given: list[tuple[str, dict[str, Any]]] = []
    for number in range(1, int(tables.SCHEMA)):
        with engine.begin() as connection:
            command.upgrade(migrations.config(connection), f"{number:04}")
        given += [(name, add_row(file, name, number)) for name in names_of_tables(file)]
    engine.dispose()
    with Database.open(URL, tmp_path) as database:
        database.migrate()
        assert sum(database.counts().values()) == int(tables.SCHEMA) - 1
    assert {name for name, _ in given} == {name for name in names_of_tables(file) if not name.startswith(COUNTED)}
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        kept = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name, _ in given}
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counted = connection.execute("SELECT sum(pictures) FROM counts_by_group").fetchone()[0]
    assert counted == int(tables.SCHEMA) - 1
    for name, row in given:
        assert any(row.items() <= now.items() for now in kept[name]), (name, row)
    assert {name: len(rows) for name, rows in kept.items()} == Counter(name for name, _ in given)


def names_of_tables(file: Path) -> list[str]:
    """In an order in which each comes after those that it points to."""
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    names = [name for (name,) in found if name != "alembic_version" and not name.startswith("sqlite_")]
    first = ["model_versions", "images"]
    return [*first, *(name for name in names if name not in first)]


def add_row(file: Path, table: str, number: int) -> dict[str, Any]:
    """Adds a row in which every column says something, and nothing that another row says."""
    with closing(sqlite3.connect(file)) as connection:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        row = {name: value_of(table, name, kind, number) for _, name, kind, *_ in columns}
        marks = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        connection.commit()
    return row


def value_of(table: str, column: str, kind: str, number: int) -> Any:
    if f"{table}.{column}" in WORDS:
        return WORDS[f"{table}.{column}"]
    if column in REFERENCES or kind in ("INTEGER", "BIGINT"):
        return number
    if column.endswith("_at") or column == "since":
        return f"2026-01-{number:02}T00:00:00.000000Z"
    return number / 16 if kind.startswith(("DOUBLE", "FLOAT", "REAL")) else f"{column} {number}"
