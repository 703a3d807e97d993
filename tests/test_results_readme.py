"""The ready queries of the README run as they stand, on every database, and answer what they say they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import plans
import pytest
from sqlalchemy import text

from watcher.results import Database, Finished, ModelVersion, Prediction, State, superseding
from watcher.results.runbook import RunBook

BAD = ModelVersion(model="malaria", version=2, digest="d2", engine="graph", review_threshold=0.8)
GOOD = replace(BAD, version=3, digest="d3")


def cell(number: int, parasitized: float, **changes: Any) -> Finished:
    """The n-th cell of slide 12, seen just now."""
    labels = {"Parasitized": parasitized, "Uninfected": 1 - parasitized}
    best_first = sorted(labels.items(), key=lambda pair: -pair[1])
    now = datetime.now(UTC)
    plain = Finished(
        claim=f"claim {number} {changes.get('model')}",
        name=f"cell_{number}.png",
        path=f"malaria/slide-12/cell_{number}.png",
        group="slide-12",
        sha256=f"{number:064x}",
        model=GOOD,
        predictions=tuple(Prediction(label=label, score=score) for label, score in best_first),
        state=State.DONE,
        received_at=now,
        finished_at=now,
    )
    return replace(plain, **changes)


@pytest.fixture
def lab(database: Database) -> Database:
    """A slide of five cells, of which a bad version had seen one; one cell twice; one that cannot be read; one other slide."""
    database.record([cell(1, 0.75, model=BAD)])
    (maker,) = superseding.makers(database, "malaria")
    for rows in superseding.outdated(database, maker, None, superseding.newest(database)):
        superseding.supersede(database, rows, "a bad version")
        superseding.let_go(database, rows)
    database.record([cell(1, 0.25), cell(2, 0.875), cell(3, 0.96875), cell(4, 0.4375)])
    again = {"name": "again.png", "path": "malaria/slide-12/again.png", "sha256": f"{3:064x}"}
    database.record([cell(5, 0.96875, state=State.DUPLICATE, **again)])
    database.record([cell(6, 0, model=None, predictions=(), state=State.FAILED, reason="it is cut short")])
    database.record([cell(7, 0.0625, group="slide-13")])
    RunBook(database, "mine").add("malaria", "malaria", datetime.now(UTC))
    return database


def answer(database: Database, number: str) -> list[tuple[Any, ...]]:
    """The rows, with numbers as floats: PostgreSQL's sums are decimals."""
    with database.reading() as connection:
        rows: Sequence[Any] = connection.execute(text(plans.examples()[number])).all()
    return [tuple(value if isinstance(value, str | None) else float(value) for value in row) for row in rows]


def test_1_today_by_label(lab: Database) -> None:
    """What is superseded or has failed is not among them."""
    assert set(answer(lab, "1")) == {("malaria", "Parasitized", 3, 0), ("malaria", "Uninfected", 3, 2)}


def test_2_the_share_of_parasitized_cells(lab: Database) -> None:
    """A slide without any is there, with 0."""
    assert answer(lab, "2") == [("slide-12", 3, 5, 60), ("slide-13", 0, 1, 0)]


def test_3_to_review_the_least_certain_first(lab: Database) -> None:
    assert [row[0] for row in answer(lab, "3")] == ["cell_4.png", "cell_1.png"]


def test_4_what_failed_and_why(lab: Database) -> None:
    assert [row[:2] for row in answer(lab, "4")] == [("malaria/slide-12/cell_6.png", "it is cut short")]


def test_5_which_version_made_how_many(lab: Database) -> None:
    """What was made anew counts for the later version alone."""
    assert answer(lab, "5") == [("malaria", 3, 6, 2)]


def test_6_throughput_by_hour(lab: Database) -> None:
    """Work that was done twice was done twice."""
    assert [row[1:] for row in answer(lab, "6")] == [(8, 1)]


def test_7_labels_that_have_changed(lab: Database) -> None:
    assert answer(lab, "7") == [("malaria/slide-12/cell_1.png", "Parasitized", 0.75, 3, "Uninfected", 0.75)]


def test_8_all_arrivals_of_a_picture(lab: Database) -> None:
    found = [row[1:3] for row in answer(lab, "8")]
    assert found == [("malaria/slide-12/cell_3.png", "done"), ("malaria/slide-12/again.png", "duplicate")]


def test_9_the_newest_of_a_group(lab: Database) -> None:
    assert [row[1] for row in answer(lab, "9")] == [
        "cell_6.png", "again.png", "cell_4.png", "cell_3.png", "cell_2.png", "cell_1.png", "cell_1.png",
    ]  # fmt: skip


def test_10_how_scores_are_spread(lab: Database) -> None:
    """In twentieths."""
    assert answer(lab, "10") == [(pytest.approx(0.85), pytest.approx(0.9), 1), (pytest.approx(0.95), 1.0, 2)]


@pytest.mark.parametrize("number", [name for name in plans.examples() if not name.isdigit()])
def test_the_others_find_something_too(lab: Database, number: str) -> None:
    assert answer(lab, number)
