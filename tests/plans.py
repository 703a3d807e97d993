"""How SQLite answers what it is asked: the steps of its plans, as it tells them itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from watcher import results
from watcher.results import Database

README = (Path(results.__file__).parent / "README.md").read_text("utf-8")
LARGE = ("images", "i", "predictions", "one", "other", "second", "earlier", "later")  # tables of millions, by any name


def examples() -> dict[str, str]:
    """The queries of the README: by their number, or by what is said before them."""
    found = re.findall(r"([^\n]+):\n\n```sql\n(.*?)```", README, re.DOTALL)
    numbers = [re.match(r"\*\*(\d+)\.", said) for said, _ in found]
    return {(number[1] if number else said): sql for (said, sql), number in zip(found, numbers, strict=True)}


def steps(database: Database, question: Callable[[], object]) -> list[str]:
    """The steps of all plans by which a question is answered."""
    with _asked(database) as statements:
        question()
    with database.reading() as connection:
        return [
            row[3]
            for sql, values in dict.fromkeys(statements)
            if sql.lstrip().upper().startswith(("SELECT", "WITH"))
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]


def scans(plan: list[str]) -> list[str]:
    """The steps that go through a whole table of millions, by whatever index."""
    return [step for step in plan if (found := re.match(r"SCAN (\w+)", step)) and found[1] in LARGE]


@contextmanager
def _asked(database: Database) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_more: object) -> None:
        statements.append((sql, values))

    with database.reading() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
