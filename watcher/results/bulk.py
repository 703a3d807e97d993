"""Many rows by one statement, past what SQLAlchemy does for each value: that takes longer than to write the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, TextClause
from sqlalchemy.sql.compiler import SQLCompiler


def execute(connection: Connection, statement: Insert | TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs the statement for each of the rows, which are alike, not none, and of what the database itself stores.

    The statement must be one that there is once, for what is made of it is kept.
    """
    sql, names = _made(connection.dialect, statement, tuple(rows[0]))
    values: Any = rows if names is None else [tuple(row[name] for name in names) for row in rows]
    connection.exec_driver_sql(sql, values)


@cache
def _made(
    dialect: Dialect, statement: Insert | TextClause, keys: tuple[str, ...]
) -> tuple[str, tuple[str, ...] | None]:
    """The statement in the database's words, and the order of its values where they have no names."""
    compiled = statement.compile(dialect=dialect, column_keys=list(keys))
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None
