"""The oracle must be able to say no: books that balance, made false in one way after the other."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from oracle import books
from points import Bench
from scenes import NOTE, PICTURES, Stage
from tracing import needs_strace

pytestmark = [pytest.mark.strace, needs_strace]


@pytest.fixture
def stage(bench: Bench) -> Stage:
    """A stage on which a run has ended well."""
    stage = bench.played("move")
    assert books(stage, PICTURES) == []
    return stage


def change(stage: Stage, statement: str) -> None:
    with closing(sqlite3.connect(stage.root / "watcher.db")) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute(statement)
        database.commit()


def copied(source: str, target: str) -> Callable[[Path], object]:
    return lambda root: shutil.copy(root / source, root / target)


ROW_TWICE = """INSERT INTO images (claim, name, path, grp, state, received_at, finished_at, attempts)
    SELECT 'other', name, path, grp, 'vanished', received_at, finished_at, attempts FROM images WHERE path = 'a.png'"""


@pytest.mark.parametrize(
    ("kind", "break_it"),
    [
        ("lost", lambda root: (root / "outbox/a.png").unlink()),
        ("lost", lambda root: (root / "done/again.png").unlink()),
        ("lost", lambda root: (root / "failed/broken.png").unlink()),
        ("lost", lambda root: (root / "done/a.png").write_bytes(b"cut")),
        ("stray", lambda root: (root / "outbox/a.png").write_bytes((root / "outbox/a.png").read_bytes()[:200])),
        ("doubled", copied("outbox/a.png", "outbox/a~2.png")),
        ("doubled", copied("done/a.png", "inbox/a.png")),
        ("doubled", copied("done/a.png", "inbox/.watcher/abcdefgh.aaaaaaaaaaaaaaaa.0.a.png")),
        ("false", lambda root: (root / f"failed/broken.png{NOTE}").unlink()),
        ("false", lambda root: (root / "done/a.png").rename(root / "done/b.png")),
        ("stray", lambda root: (root / "done/.watcher-1-2.tmp").touch()),
        ("stray", lambda root: (root / "inbox/.watcher/abcdefgh.aaaaaaaaaaaaaaaa.0.b.png").touch()),
        ("stray", lambda root: (root / f"failed/a.png{NOTE}").touch()),
        ("leftover", lambda root: (root / "inbox/.watcher/abcdefgh.aaaaaaaaaaaaaaaa.0").mkdir()),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_noticed(stage: Stage, kind: str, break_it: Callable) -> None:
    """And it is said of what kind that is."""
    break_it(stage.root)
    assert kind in {wrong.kind for wrong in books(stage, PICTURES)}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("lost", "DELETE FROM images WHERE path = 'a.png'"),
        ("doubled", ROW_TWICE),
        ("false", "UPDATE images SET state = 'failed' WHERE path = 'a.png'"),
        ("false", "UPDATE predictions SET label = 'green'"),
        ("false", "UPDATE images SET model_version_id = 99"),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_noticed(stage: Stage, kind: str, statement: str) -> None:
    """And it is said of what kind that is."""
    change(stage, statement)
    assert kind in {wrong.kind for wrong in books(stage, PICTURES)}


def test_a_damaged_database_is_noticed(stage: Stage) -> None:
    """By SQLite's own check."""
    with (stage.root / "watcher.db").open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    assert any("the database" in wrong.what for wrong in books(stage, PICTURES))
