"""Rows as a table for people, or as JSON, JSON lines, CSV or Parquet for programs; any number of them."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.harmless import harmless, unguarded
from watcher.formulas import defused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console


def print_rows(
    rows: Sequence[Mapping[str, Any]], form: str, columns: Sequence[str], table_columns: Sequence[str] | None = None
) -> None:
    """Prints rows with `columns`; a table shows `table_columns` of them, if given."""
    if form == "table":
        print_table(rows, table_columns or columns)
        return
    for text in as_text([[[row[name] for name in columns] for row in rows]], form, columns):
        click.echo(text, nl=False)


def as_text(parts: Iterable[Sequence[Sequence[Any]]], form: str, columns: Sequence[str]) -> Iterator[str]:
    """Rows that come in parts, as JSON, JSON lines or CSV; never more than a part is in memory."""
    if form == "csv":
        yield _as_csv([columns])
        for part in parts:
            yield _as_csv(part)
    elif form == "jsonl":
        for part in parts:
            yield "".join(f"{_as_object(row, columns)}\n" for row in part)
    else:
        before = "["
        for part in parts:
            for row in part:
                yield f"{before}\n {_as_object(row, columns)}"
                before = ","
        yield "[]\n" if before == "[" else "\n]\n"


def console(*, stderr: bool = False, **more: Any) -> Console:
    """What draws tables and bars; its texts must be `harmless`."""
    from rich.console import Console

    return Console(file=unguarded(sys.stderr if stderr else sys.stdout), **more)


def pictures(count: int) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{count:,} picture{'' if count == 1 else 's'}"


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Prints rows as a table for people, all at once."""
    # rich takes a moment to import, and JSON and CSV do not need it.
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for name in columns:
        numeric = any(isinstance(row[name], (int, float)) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless(_cell(row[name]))) for name in columns))
    # Away from a terminal nothing is to be folded: a program or a pager reads it.
    on_terminal = sys.stdout.isatty()
    console(width=None if on_terminal else 10_000, soft_wrap=not on_terminal).print(table)


def _as_csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([defused(value) for value in row] for row in rows)
    return text.getvalue()


def _as_object(row: Sequence[Any], columns: Sequence[str]) -> str:
    return json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)
