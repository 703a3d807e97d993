"""Questions to a large database are answered by indexes, and the README's examples by what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import plans
import pytest
from sqlalchemy import event, text

from watcher.results import Database, Filter, Finished, ModelVersion, Prediction, State, find, queries, tables, ways
from watcher.results.report import Scope, report
from watcher.results.runbook import RunBook
from watcher.results.runs import RunState, Trigger

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MALARIA = ModelVersion(model="malaria", version=3, digest="d3", engine="keras", review_threshold=0.8)
XCEPTION = ModelVersion(model="xception", version=1, digest="d1", engine="keras")


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
        """SQLite's plan goes through neither images nor predictions, and what leaves many is not sorted."""
        plan = plans.steps(large, lambda: find(large, Filter(limit=limit, **wanted)))
        assert any(step.startswith("SEARCH images") for step in plan)
        assert plans.scans(plan) == []

    @pytest.mark.parametrize(
        "wanted",
        [
            {"label": "Uninfected"},
            {"model": "malaria"},
            {"state": State.DONE},
            {"needs_review": True},
            {"needs_review": True, "sort": "margin"},
            {"label": "Uninfected", "state": State.DONE, "model": "malaria", "since": NOON},
            {"min_score": 0.5},
            {"sort": "score", "model": "malaria"},
            {"sort": "path", "descending": False},
            {},
        ],
        ids=str,
    )
    def test_what_fits_many_pictures_is_read_in_order(
        self, large: Database, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is sorted, so the first rows come at once, however many there are."""
        monkeypatch.setattr(ways, "FEW", 10)
        plan = plans.steps(large, lambda: find(large, Filter(limit=20, **wanted)))
        assert [step for step in plan if "TEMP B-TREE" in step] == []

    def test_of_two_conditions_the_one_that_leaves_few_is_taken(self, large: Database) -> None:
        """Whichever comes first among the options: here few have failed, and many are red."""
        plan = plans.steps(large, lambda: find(large, Filter(state=State.FAILED, model="malaria", limit=20)))
        assert [step for step in plan if "ix_images_state_finished_at" in step and "COVERING" not in step]

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
        plan = plans.steps(large, lambda: ask(large, f"SELECT * FROM results WHERE {condition} LIMIT 20"))
        assert plan
        assert plans.scans(plan) == []

    @pytest.mark.parametrize("by", ["failed", "failed_as"])
    def test_whether_pictures_have_failed_before_is_one_question_that_an_index_answers(
        self, large: Database, by: str
    ) -> None:
        """By their contents and by their paths; the daemon asks both for each batch."""
        asked: list[str] = []
        ask_for = getattr(large, by)
        [step] = plans.steps(large, lambda: ask_for(["0" * 64]))
        assert f" USING INDEX ix_images_{'sha256' if by == 'failed' else 'failed_path'}" in step
        with large.reading() as connection:
            engine = connection.engine
        event.listen(engine, "before_cursor_execute", listen := lambda *told: asked.append(told[2]))
        assert ask_for(f"{number:064x}" for number in range(64)) == []
        event.remove(engine, "before_cursor_execute", listen)
        assert [line.split()[0] for line in asked] == ["BEGIN", "SELECT"]

    def test_the_states_are_counted_without_the_pictures(self, large: Database) -> None:
        """`status` and the metrics ask for them again and again."""
        plan = plans.steps(large, large.counts)
        assert plan
        assert [step for step in plan if "images" in step or "predictions" in step] == []
        assert large.counts() == dict.fromkeys(State, 0) | {State.DONE: 19_800, State.FAILED: 200}

    @pytest.mark.parametrize(
        "scope",
        [
            {},
            {"total": True},
            {"group": "slide-12"},
            {"model": "malaria", "label": "Parasitized"},
            {"since": NOON + timedelta(minutes=30)},
            {"group": "slide-12", "until": NOON + timedelta(hours=3, minutes=20)},
        ],
        ids=str,
    )
    def test_a_report_is_a_sum_over_counts(self, large: Database, scope: dict[str, Any]) -> None:
        """Of the pictures it reads at most those of the hours that the stretch of time cuts."""
        plan = plans.steps(large, lambda: list(report(large, Scope(**scope))))
        assert plan
        assert plans.scans(plan) == []
        cuts = [step for step in plan if " images " in step]
        assert all("(finished_at>? AND finished_at<?)" in step for step in cuts)
        assert bool(cuts) == bool({"since", "until"} & scope.keys())

    def test_twenty_thousand_results_come_quickly(self, large: Database) -> None:
        """All of them within seconds on a slow machine, and the newest few in no time."""
        start = process_time()
        assert len(find(large, Filter())) == 20_000
        assert process_time() - start < 5
        start = process_time()
        assert [row.name for row in find(large, Filter(limit=2))] == ["19999.png", "19998.png"]
        assert process_time() - start < 0.5


def ask(database: Database, sql: str) -> Sequence[Any]:
    with database.reading() as connection:
        return connection.execute(text(sql)).all()


class TestReadme:
    @pytest.mark.parametrize("number", plans.examples())
    def test_each_query_is_answered_by_an_index_or_by_counts(self, large: Database, number: str) -> None:
        """None of them goes through all pictures."""
        plan = plans.steps(large, lambda: ask(large, plans.examples()[number]))
        assert plan
        assert plans.scans(plan) == []

    def test_there_are_ten(self) -> None:
        """A lab that knows no SQL finds what it asks for."""
        assert {str(number) for number in range(1, 11)} <= plans.examples().keys()

    def test_every_column_is_documented(self) -> None:
        """README names each column of the view and of the tables, and each word of the states."""
        columns = {column.name for table in tables.Base.metadata.tables.values() for column in table.columns}
        documented = set(re.findall(r"`(\w+)`", plans.README))
        assert (columns | set(queries.COLUMNS) | set(State) | set(RunState) | set(Trigger)) - documented == set()
