"""What is derived from the pictures, the best label and the counts, is right after whatever was done to them."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stocked
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from test_results_queries import MALARIA, NOON, XCEPTION, picture, scores

from watcher.results import Database, ModelVersion, Prediction, State, gaps, migrations, superseding
from watcher.results.recording import record
from watcher.results.records import Superseded
from watcher.results.salvage import salvage

KEYS = {
    "counts_by_group": "grp, coalesce(model_version_id, 0), state, coalesce(label, '')",
    "counts_by_hour": "substr(finished_at, 1, 13), grp, coalesce(model_version_id, 0), state, coalesce(label, '')",
    "counts_by_score": "coalesce(model_version_id, 0), state, coalesce(label, ''), score",
}
BEST = """
SELECT i.id, best.label, best.score, best.score - coalesce(second.score, 0),
       CASE WHEN best.score IS NULL THEN NULL WHEN best.score < m.review_threshold THEN 1 ELSE 0 END
FROM images AS i LEFT JOIN model_versions AS m ON m.id = i.model_version_id
LEFT JOIN predictions AS best
       ON best.image_id = i.id AND best.model_version_id = i.model_version_id AND best.rank = 1
LEFT JOIN predictions AS second
       ON second.image_id = i.id AND second.model_version_id = i.model_version_id AND second.rank = 2
ORDER BY i.id
"""


def balances(ask: Any) -> bool:
    """Whether all that is derived is what the pictures and their predictions say, by counting them."""
    assert [tuple(row) for row in ask("SELECT id, label, score, margin, needs_review FROM images ORDER BY id")] == [
        tuple(row) for row in ask(BEST)
    ]
    for table, keys in KEYS.items():
        counted: Counter[tuple[Any, ...]] = Counter()
        review: Counter[tuple[Any, ...]] = Counter()
        for *key, needs_review in ask(f"SELECT {keys}, coalesce(needs_review, 0) FROM images"):
            if table == "counts_by_score":
                key[-1] = -1 if key[-1] is None else step_of(key[-1])
            counted[tuple(key)] += 1
            review[tuple(key)] += needs_review
        kept = {tuple(key): (pictures, to_review) for *key, pictures, to_review in ask(f"SELECT * FROM {table}")}
        assert {key: sums for key, sums in kept.items() if sums != (0, 0)} == {
            key: (counted[key], review[key]) for key in counted
        }
    return True


def step_of(score: float) -> int:
    return max(0, min(19, int(score * 20)))


def in_database(database: Database) -> Any:
    def ask(sql: str) -> Any:
        with database.reading() as connection:
            return connection.execute(text(sql)).all()

    return ask


def in_file(file: Path) -> Any:
    def ask(sql: str) -> Any:
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute(sql).fetchall()

    return ask


def some(database: Database) -> None:
    """Pictures of all kinds."""
    labels = [scores(Parasitized=0.9, Uninfected=0.1), scores(Uninfected=0.6, Parasitized=0.4), scores(tabby=1.0), ()]
    database.record(
        [
            picture(number, group=f"slide-{number % 3}", predictions=labels[number % 4], model=model, state=state)
            for number, (state, model) in enumerate((state, model) for state in State for model in (MALARIA, XCEPTION))
        ]
    )
    database.record(
        [picture(90, model=None, predictions=(), state=State.FAILED), picture(91, predictions=scores(a=0.0))]
    )


def test_after_recording(database: Database) -> None:
    some(database)
    assert balances(in_database(database))
    database.record([picture(0), picture(1), picture(300, finished_at=NOON)])  # two of them once more
    assert balances(in_database(database))
    assert sum(database.counts().values()) == 13


def test_after_superseding(database: Database) -> None:
    """By `reprocess`, and by another try of a failed picture."""
    some(database)
    for maker in superseding.makers(database, "malaria"):
        for rows in superseding.outdated(database, maker, "slide-1", superseding.newest(database)):
            superseding.supersede(database, rows, "a bad version")
            superseding.let_go(database, rows)
    with database.reading() as connection:
        failed = connection.execute(text("SELECT id FROM images WHERE state = 'failed'")).scalars().all()
    before = database.counts()[State.SUPERSEDED]
    database.record([picture(100)], [Superseded(id=number, reason="tried again") for number in failed])
    assert database.counts()[State.SUPERSEDED] == before + len(failed)
    assert balances(in_database(database))


def test_after_filling_gaps(database: Database) -> None:
    """As after a rebuild: another best label, a version that becomes known, one that stays unknown."""
    some(database)
    gaps.say_best(database, 1, 1, Prediction(label="Uninfected", score=0.75))
    assert balances(in_database(database))
    stricter = ModelVersion(model="malaria", version=7, digest="d7", engine="graph", review_threshold=0.99)
    assert gaps.make_known(database, 9, stricter) == 9
    assert gaps.make_known(database, 1, stricter) == 9
    assert balances(in_database(database))


def test_after_closing_gaps(tmp_path: Path) -> None:
    """A version that nobody knows takes its labels along."""
    with Database.open("sqlite:///watcher.db", tmp_path) as database:
        database.migrate()
        some(database)
        with closing(sqlite3.connect(tmp_path / "watcher.db")) as connection, connection:
            connection.execute("DELETE FROM model_versions WHERE id = 2")
        assert gaps.close(database) > 0
        assert balances(in_database(database))


def test_after_a_transaction_that_was_taken_back(database: Database) -> None:
    """Counts are of the same transaction as the rows."""
    some(database)

    def fail() -> None:
        with database.writing() as connection:
            record(connection, [picture(200)])
            raise KeyError

    before = database.counts()
    with pytest.raises(KeyError):
        fail()
    assert database.counts() == before
    assert balances(in_database(database))


def test_after_any_change_by_hand(database: Database) -> None:
    """Whoever writes, the counts go along."""
    some(database)
    for change in (
        "UPDATE images SET grp = 'elsewhere' WHERE id = 1",
        "UPDATE images SET finished_at = '2026-11-24T07:00:00.000000Z' WHERE id IN (1, 2)",
        "UPDATE images SET state = 'superseded' WHERE id < 5",
        "UPDATE images SET reason = 'why not'",
        "DELETE FROM predictions WHERE image_id = 6",
        "UPDATE images SET label = NULL, score = NULL, margin = NULL, needs_review = NULL WHERE id = 6",
        "DELETE FROM images WHERE id = 6",
    ):
        with database.writing() as connection:
            connection.execute(text(change))
    assert balances(in_database(database))


def test_after_salvage(tmp_path: Path) -> None:
    """Out of a damaged file come rows; the rest is derived anew, also of rows that nothing leads to."""
    (tmp_path / "new").mkdir()
    home, new = stocked.make(tmp_path), stocked.file_of(stocked.make(tmp_path / "new"))
    stocked.many(home, 300)
    damaged = shutil.copyfile(stocked.file_of(home), tmp_path / "damaged.db")
    stocked.garble(damaged, 6 * 4096, 30 * 4096)
    assert 0 < salvage(damaged, new).pictures < 300
    assert balances(in_file(new))


@pytest.mark.parametrize("before", ["0001", "0004"])
def test_after_migrating_a_database_that_has_pictures(tmp_path: Path, empty_url: str, before: str) -> None:
    """Of a release that did not derive them."""
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        command.upgrade(migrations.config(connection), before)
        for statement in OF_BEFORE:
            connection.execute(text(statement))
    engine.dispose()
    with Database.open(empty_url, tmp_path) as database:
        database.migrate()
        assert balances(in_database(database))
        assert database.counts() == dict.fromkeys(State, 0) | {State.DONE: 3, State.FAILED: 1}
        ask = in_database(database)
        assert [tuple(row) for row in ask("SELECT label, needs_review FROM images ORDER BY id")] == [
            ("a", 1), ("b", 0), (None, None), (None, None),
        ]  # fmt: skip


OF_BEFORE = (
    """INSERT INTO model_versions (id, model, version, digest, engine, review_threshold)
       VALUES (1, 'malaria', 1, 'd', 'graph', 0.8), (2, 'malaria', 2, 'd', 'graph', NULL)""",
    *(
        "INSERT INTO images (id, claim, name, path, grp, model_version_id, state, received_at, finished_at, attempts)"
        f" VALUES ({number}, 'c{number}', 'a.png', 'a.png', 'g', {version}, '{state}', '2026', '2026-11-23T02:15', 1)"
        for number, version, state in ((1, 1, "done"), (2, 2, "done"), (3, 1, "done"), (4, "NULL", "failed"))
    ),
    "INSERT INTO predictions VALUES (1, 1, 1, 'a', 0.75), (1, 1, 2, 'b', 0.25), (2, 2, 1, 'b', 0.5), (2, 1, 1, 'c', 1)",
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1), st.integers(-(10**6), 10**6))
def test_any_score_has_its_step(tmp_path: Path, score: float, drift: int) -> None:
    """Also one that float32 sums have put just beside 0 or 1."""
    score += drift * 1e-12
    (tmp_path / "watcher.db").unlink(missing_ok=True)
    with Database.open("sqlite:///watcher.db", tmp_path) as database:
        database.migrate()
        database.record([replace(picture(1), predictions=scores(a=score))])
        with database.reading() as connection:
            step = connection.execute(text("SELECT step FROM counts_by_score")).scalar_one()
    assert step == step_of(score)
