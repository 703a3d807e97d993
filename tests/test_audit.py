"""What `watcher verify` asks of the books is answered by indexes, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from watcher.results import Database, Finished, ModelVersion, Prediction, State, audit

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TINY = ModelVersion(model="tiny", version=1, digest="1" * 64, engine="graph")
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def claim(number: int) -> str:
    return "".join(LETTERS[number // 32**power % 32] for power in range(16))


def picture(number: int, **more: Any) -> Finished:
    values: dict[str, Any] = {
        "claim": claim(number),
        "name": f"{number}.png",
        "path": f"s/{number}.png",
        "group": "s",
        "sha256": f"{number:064x}",
        "size": number,
        "model": TINY,
        "predictions": (Prediction(label="red", score=0.9), Prediction(label="blue", score=0.1)),
        "state": State.DONE,
        "received_at": NOON,
        "finished_at": NOON,
        "outbox_path": f"outbox/s/{number}.png",
        "original_path": f"done/s/{number}.png",
    }
    return Finished(**values | more)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open("sqlite:///watcher.db", tmp_path_factory.mktemp("audit")) as opened:
        opened.migrate()
        opened.record([picture(number) for number in range(1, 2001)])
        yield opened


def plans(database: Database, ask: Callable[[], object]) -> list[str]:
    """How SQLite goes about what is asked."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(database._engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(database._engine, "before_cursor_execute", note)
    with database.reading() as connection:
        return [
            row[3]
            for statement, parameters in asked
            if statement.lstrip().startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


QUESTIONS: dict[str, Callable[[Database], list[audit.Entry]]] = {
    "id": lambda books: audit.by_id(books, [5]),
    "claim": lambda books: [*audit.by_claim(books, [claim(5)]).values()],
    "beginning of a claim": lambda books: audit.by_beginning_of_claim(books, [claim(5)[:8], "zzzzzzzz"])[:1],
    "original": lambda books: audit.by_original(books, [("s/5.png", "done/s/5.png"), ("s/6.png", "done/other.png")]),
    "content": lambda books: audit.by_content(books, [f"{5:064x}"]),
    "path": lambda books: audit.dropped_as(books, "s/5.png", 3),
    "name": lambda books: audit.dropped_as(books, "5.png", 3),
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_row_is_found_by_an_index(books: Database, what: str) -> None:
    """By whatever is known of it."""
    found: list[audit.Entry] = []
    said = plans(books, lambda: found.extend(QUESTIONS[what](books)))
    assert found and (what == "beginning of a claim" or [entry.id for entry in found] == [5])
    assert said and not [step for step in said if step.startswith("SCAN images")]


def test_what_begins_like_a_claim_is_all_that_does(books: Database) -> None:
    """And no more; as many as a chunk of files asks for."""
    beginnings = [claim(number)[:8] for number in range(1, 2001)]
    wanted = {number for number in range(1, 2001) if claim(number)[:8] in beginnings[:3]}
    assert {entry.id for entry in audit.by_beginning_of_claim(books, beginnings[:3])} == wanted
    assert {entry.id for entry in audit.by_beginning_of_claim(books, beginnings)} == set(range(1, 2001))


def test_all_rows_come_once_in_chunks(books: Database) -> None:
    """Though some are changed between them."""
    seen: list[int] = []
    for chunk in audit.entries(books):
        assert len(chunk) <= 500
        seen += [entry.id for entry in chunk]
        audit.correct(books, chunk[0].id, outbox_path=f"outbox/s/{chunk[0].id}.png")
    assert seen == list(range(1, 2001))


def test_labels_and_what_has_none(books: Database) -> None:
    """Best first, of the version that counts."""
    [entry] = audit.by_id(books, [7])
    assert [(label.label, label.score) for label in audit.predictions(books, entry)] == [("red", 0.9), ("blue", 0.1)]
    assert (entry.model, entry.version) == ("tiny", 1)
    assert audit.with_predictions(books, range(1, 2001)) == set(range(1, 2001))


def test_one_original_of_two_rows_is_the_newest_s(database: Database) -> None:
    """Failed ones, superseded ones and those that were kept do not count: their names are given again rightly."""
    again = {"path": "x.png", "original_path": "done/x.png"}
    rows = [picture(number, **again) for number in (1, 2, 3)]
    rows += [picture(4, path="y.png", original_path="inbox: y.png", kept="1:2:3")]
    rows += [picture(5, path="y.png", original_path="inbox: y.png", kept="1:2:4")]
    rows += [picture(number, state=State.FAILED, original_path="failed/z.png", predictions=()) for number in (6, 7)]
    rows += [picture(number, state=State.SUPERSEDED, original_path="done/w.png") for number in (8, 9)]
    database.record(rows)
    pairs = [(pair.older.id, pair.newest.id) for chunk in audit.shared(database) for pair in chunk]
    assert sorted(pairs) == [(1, 3), (2, 3)]
    assert [pair.older.id for chunk in audit.shared(database, [2]) for pair in chunk] == [2]
    assert [entry.id for chunk in audit.half_done(database) for entry in chunk] == [8, 9]


def test_a_sound_file_has_no_damage(books: Database) -> None:
    """SQLite says so."""
    assert audit.damage(books) == []
    with books.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM images")) == 2000
