"""Questions to a large database are answered by indexes, and the README's examples by what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import text

from watcher.results import Database, Filter, Finished, ModelVersion, Prediction, State, find, queries, tables
from watcher.results.runbook import RunBook
from watcher.results.runs import RunState, Trigger

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MALARIA = ModelVersion(model="malaria", version=3, digest="d3", engine="keras", review_threshold=0.8)
XCEPTION = ModelVersion(model="xception", version=1, digest="d1", engine="keras")
README = (Path(queries.__file__).parent / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """20 000 pictures: 200 groups, two models, one in a hundred failed; and a run of a job."""
    with Database.open("sqlite:///watcher.db", tmp_path_factory.mktemp("large")) as opened:
        opened.migrate()
        for start in range(0, 20_000, 500):
            opened.record([picture(number) for number in range(start, start + 500)])
        RunBook(opened, "mine").add("malaria", "malaria", NOON)
        yield opened


def picture(number: int) -> Finished:
    failed = number % 100 == 7
    common = number % 10 != 0
    share = (number % 50) / 50
    labels = {"Parasitized": share, "Uninfected": 1 - share} if common else {"tabby": 0.6, "lynx": 0.4}
    best_first = sorted(labels.items(), key=lambda pair: -pair[1])
    return Finished(
        claim=f"claim-{number}",
        name=f"{number}.png",
        path=f"malaria/{number}.png",
        group=f"slide-{number // 100}",
        sha256=f"{number:064x}",
        model=MALARIA if common else XCEPTION,
        predictions=() if failed else tuple(Prediction(label=label, score=score) for label, score in best_first),
        state=State.FAILED if failed else State.DONE,
        received_at=NOON,
        finished_at=NOON + timedelta(seconds=number),
    )


class TestLarge:
    @pytest.mark.parametrize(
        "wanted",
        [
            {"label": "Parasitized"},
            {"group": "slide-12"},
            {"state": State.FAILED},
            {"id": 4321},
            {"name": "77.png"},
            {"name": "malaria/77.png"},
            {"model": "xception"},
            {"since": NOON},
            {"label": "tabby", "min_score": 0.5, "state": State.DONE},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("limit", [None, 20])
    def test_a_filter_is_answered_by_an_index(self, large: Database, wanted: dict[str, Any], limit: int | None) -> None:
        """SQLite's plan scans neither images nor predictions."""
        statement = queries.query(Filter(limit=limit, **wanted))
        with large.reading() as connection:
            literal = statement.compile(connection, compile_kwargs={"literal_binds": True})
        assert scans(large, str(literal)) == []

    @pytest.mark.parametrize(
        "condition",
        [
            "label = 'tabby'",
            "grp = 'slide-12'",
            "state = 'failed'",
            "id = 4321",
            "finished_at >= '2026-11-23'",
        ],
    )
    def test_sql_by_hand_on_the_view_is_answered_by_an_index(self, large: Database, condition: str) -> None:
        """People who write their own conditions get the indexes, too."""
        assert scans(large, f"SELECT * FROM results WHERE {condition} LIMIT 20") == []

    def test_counts_are_read_from_an_index_alone(self, large: Database) -> None:
        """Counting the states does not touch the rows."""
        with large.reading() as connection:
            plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT state, count(*) FROM images GROUP BY state"))
            assert "COVERING INDEX" in plan.one().detail
        assert large.counts() == dict.fromkeys(State, 0) | {State.DONE: 19_800, State.FAILED: 200}

    def test_twenty_thousand_results_come_quickly(self, large: Database) -> None:
        """All of them within seconds on a slow machine, and the newest few in no time."""
        start = perf_counter()
        assert len(find(large, Filter())) == 20_000
        assert perf_counter() - start < 5
        start = perf_counter()
        assert [row.name for row in find(large, Filter(limit=2))] == ["19999.png", "19998.png"]
        assert perf_counter() - start < 0.5


def scans(database: Database, sql: str) -> list[str]:
    with database.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all()
    return [step.detail for step in plan if step.detail.startswith("SCAN")]


class TestReadme:
    @pytest.mark.parametrize("sql", re.findall(r"```sql\n(.*?)```", README, re.DOTALL))
    def test_each_example_runs_and_finds_something(self, large: Database, sql: str) -> None:
        """The documented queries are valid and useful as they stand."""
        with large.reading() as connection:
            assert connection.execute(text(sql)).all()

    def test_every_column_is_documented(self) -> None:
        """README names each column of the view and of the tables, and each word of the states."""
        columns = {column.name for table in tables.Base.metadata.tables.values() for column in table.columns}
        documented = set(re.findall(r"`(\w+)`", README))
        assert (columns | set(queries.COLUMNS) | set(State) | set(RunState) | set(Trigger)) - documented == set()
