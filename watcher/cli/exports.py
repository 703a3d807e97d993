"""Rows that come in parts, printed or written to a file: for the commands whose answers may be of any size."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from watcher.cli.harmless import harmless, unguarded
from watcher.cli.output import as_text
from watcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Parts = Iterable[Sequence[Sequence[Any]]]

Function = TypeVar("Function", bound="Callable[..., object]")

FORMATS = ("table", "json", "jsonl", "csv", "parquet")
ROW_GROUP = 20_000  # rows of a Parquet file that are in memory at a time
KINDS = {int: "int64", float: "float64", str: "string"}


def export_options(function: Function) -> Function:
    """`--format` and `--output`."""
    output = click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write to this file instead; it takes its name only when it is whole.",
    )
    form = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        help="How to print the rows; unless said, by the ending of FILE, else a table.",
    )
    return form(output(function))


def form_of(form: str | None, output: Path | None) -> str:
    """The format that is meant: what was said, else what the file's name ends in.

    Raises UsageError for what cannot be: a table in a file, or Parquet, which is binary, on a terminal.
    """
    ending = output.suffix.removeprefix(".").lower() if output else ""
    form = form or (ending if ending in FORMATS[1:] else "table")
    if form == "table" and output is not None:
        raise UsageError(f"--output {output}: say in which format, one of {', '.join(FORMATS[1:])}, with --format")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is binary and nothing for a terminal: add `--output FILE`")
    return form


def export(
    parts: Parts, form: str, output: Path | None, columns: Mapping[str, type], show: Callable[[Sequence[Any]], None]
) -> None:
    """Writes rows, whose columns have these kinds, to `output` or to standard output; `show` prints a part as a table.

    Raises UsageError where Parquet cannot be written, and OSError.
    """
    if form == "parquet":
        write = _parquet()  # first of all: nothing is to be asked if that is missing
        with _file(output) as file:
            write(parts, file, columns)
    elif output is not None:
        with _file(output) as file:
            for text in as_text(parts, form, tuple(columns)):
                file.write(harmless(text).encode())
    elif form == "table":
        parts = iter(parts)
        show(next(parts, []))  # a table of no rows still has a head
        for part in parts:
            show(part)
    else:
        for text in as_text(parts, form, tuple(columns)):
            click.echo(text, nl=False)


def _parquet() -> Callable[[Parts, IO[bytes], Mapping[str, type]], None]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as fault:
        raise UsageError(
            f"Parquet needs PyArrow ({fault}): install it with `pip install 'watcher[parquet]'`, or take another --format"
        ) from fault

    def write(parts: Parts, file: IO[bytes], columns: Mapping[str, type]) -> None:
        schema = pa.schema([(name, KINDS[kind]) for name, kind in columns.items()])
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in _groups(parts):
                arrays = [
                    pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    return write


def _groups(parts: Parts) -> Iterator[list[Sequence[Any]]]:
    rows: list[Sequence[Any]] = []
    for part in parts:
        rows += part
        if len(rows) >= ROW_GROUP:
            yield rows
            rows = []
    if rows:
        yield rows


@contextmanager
def _file(output: Path | None) -> Iterator[IO[bytes]]:
    """Where bytes go. A file has its name only when it is whole, unless it is a pipe or a device, which is written to."""
    if output is None:
        raw = unguarded(sys.stdout).buffer
        yield raw
        raw.flush()
    elif output.exists() and not output.is_file():
        with output.open("wb") as file:
            yield file
    else:
        half = output.with_name(f".{output.name}.{os.getpid()}.part")
        try:
            with half.open("wb") as file:
                yield file
            os.replace(half, output)
        finally:
            half.unlink(missing_ok=True)
