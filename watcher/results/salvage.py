"""Reads out of a damaged SQLite file what can still be read, row by row, into a sound one.

A table is read in the order of its rows; where that fails, the range behind is halved until what fails is as small as
it gets, and passed over; rows to which nothing leads any more are read off their pages (leaves.py). Rows that break our own rules are garbled and are left out. Where the first pages, which
say what the file is and where its tables begin, are lost, those of a new database take their place, in a copy: tables
that were made in the same order begin at the same pages. The damaged file itself is never written to.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.results import derived, leaves, soundness
from watcher.results.row_rules import TABLES, columns_of, keeps_to_the_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Ranges are not halved below this part of a table's: a gap of any size takes so many questions at most.
FINEST = 100_000
HIGHEST = 62  # the power of two that no row's number reaches


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many pictures' rows came out of a damaged file, and how many were left out as garbled, of all tables."""

    pictures: int
    garbled: int


def salvage(damaged: Path, into: Path) -> Salvaged:
    """Copies rows into `into`, a new database with all tables and no rows. Raises sqlite3.Error for `into`, OSError."""
    with closing(sqlite3.connect(into, isolation_level=None)) as sound:
        sound.execute("BEGIN IMMEDIATE")
        found = _read_all(damaged, sound)
        if found is None:
            copy = _with_schema_of(into, damaged)
            found = _read_all(copy, sound)
            _remove(copy)
        if found is None or found.gaps:
            _read_leaves(damaged, sound)
        sound.execute("COMMIT")
        _tidy(sound)
        pictures = sound.execute("SELECT count(*) FROM images").fetchone()[0]
    return Salvaged(pictures, found.garbled if found else 0)


@dataclass(slots=True)
class _Found:
    """How many rows were garbled, and how often reading on was not possible."""

    garbled: int = 0
    gaps: int = 0


def _read_all(damaged: Path, sound: sqlite3.Connection) -> _Found | None:
    """None where not even the tables can be told."""
    try:
        connection = soundness.opened(damaged)
    except soundness.FAULTS as fault:
        _must_tell_damage(fault)
        return None
    with closing(connection):
        connection.text_factory = _text
        try:
            connection.execute("PRAGMA writable_schema = ON")  # so that SQLite reads on where the schema is wrong
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except soundness.FAULTS as fault:
            _must_tell_damage(fault)
            return None
        if not {"images", "predictions", "model_versions"} <= there:
            return None
        found = _Found(gaps=len(set(TABLES) - there))
        for table in TABLES:
            if table in there:
                names = columns_of(table)
                for values in _rows(connection, table, names, found):
                    found.garbled += not _put(sound, table, dict(zip(names, values, strict=True)))
        return found


def _put(sound: sqlite3.Connection, table: str, row: dict[str, Any]) -> bool:
    """Whether the row is one of ours, and new."""
    if not keeps_to_the_rules(table, row):
        return False
    places = ", ".join("?" * len(row))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({places})"  # noqa: S608  (names of ours)
    return bool(sound.execute(insert, tuple(row.values())).rowcount)


def _read_leaves(damaged: Path, sound: sqlite3.Connection) -> None:
    """Adds rows to which nothing leads any more; each is of the first table whose rules it keeps."""
    named = {table: _stored(sound, table) for table in TABLES}
    for number, values in leaves.rows(damaged, sound.execute("PRAGMA page_size").fetchone()[0]):
        for table, (names, more) in named.items():
            if len(names) <= len(values) <= len(names) + more:
                row = dict(zip(names, values, strict=False))
                if names[0] == "id":  # which is the row's number, and not stored twice
                    row["id"] = number
                if _put(sound, table, row):
                    break


def _stored(sound: sqlite3.Connection, table: str) -> tuple[list[str], int]:
    """The columns as they stand in a row, and how many derived ones may follow: rows of before have none."""
    names = [row[1] for row in sound.execute(f"PRAGMA table_info({table})")]
    ours = columns_of(table)
    return [name for name in names if name in ours], sum(name not in ours for name in names)


def _must_tell_damage(fault: Exception) -> None:
    """Raises the fault again where only the disk, a lock or the memory gave no answer: then nothing is lost yet."""
    if isinstance(fault, sqlite3.OperationalError) and not soundness.tells_damage(fault):
        raise fault


def _rows(
    connection: sqlite3.Connection, table: str, names: tuple[str, ...], found: _Found
) -> Iterator[tuple[Any, ...]]:
    """The rows that can be read, each once."""
    select = f"SELECT rowid, {', '.join(names)} FROM {table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"  # noqa: S608
    ranges, finest = [(1, 2**HIGHEST)], 0
    while ranges:
        low, high = ranges.pop()
        try:
            for row in _in_order(connection.execute(select, (low, high)), low - 1):
                low = row[0] + 1
                yield row[1:]
        except soundness.FAULTS as fault:
            _must_tell_damage(fault)
            found.gaps += 1
            if not finest:  # the first fault: only now the end is looked for
                high = max(_top(connection, table), 2 * low)
                finest = 1 + high // FINEST
            middle = (low + high) // 2
            ranges += [(middle + 1, high), (low, middle)] if high - low >= finest else []


def _in_order(rows: sqlite3.Cursor, last: int) -> Iterator[Any]:
    """What comes out of its order is of pages that are none of the table's, or come a second time."""
    for row in rows:
        if row[0] > last:
            last = row[0]
            yield row


def _top(connection: sqlite3.Connection, table: str) -> int:
    """A number that no row reaches, as far as that can be told."""
    for power in range(HIGHEST):
        with suppress(*soundness.FAULTS):
            beyond = f"SELECT 1 FROM {table} WHERE rowid > ? LIMIT 1"  # noqa: S608
            if connection.execute(beyond, (2**power,)).fetchone() is None:
                return int(2**power)
    return 0


def _text(data: bytes) -> str | bytes:
    """What is no text stays what it is, which no rule takes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _with_schema_of(sound: Path, damaged: Path) -> Path:
    """A copy of the damaged file and its log, whose first pages are those of the sound one."""
    copy = sound.with_name(f"{sound.name}.copy")
    _remove(copy)
    shutil.copyfile(damaged, copy)
    with suppress(FileNotFoundError):
        shutil.copyfile(soundness.log_of(damaged), soundness.log_of(copy))
    with sound.open("rb") as source, copy.open("r+b") as file:
        first = bytearray(source.read(100))
        size = int.from_bytes(first[16:18])
        first += source.read(size - 100)
        for number in _children(bytes(first)):
            source.seek((number - 1) * size)
            file.seek((number - 1) * size)
            file.write(source.read(size))
        first[28:32] = (copy.stat().st_size // size).to_bytes(4)  # how many pages there are; believed only if
        first[92:96] = first[24:28]  # these are equal
        file.seek(0)
        file.write(first)
    return copy


def _children(first: bytes) -> list[int]:
    """The pages on which the schema goes on, if the first page is too small for it (SQLite's file format, 1.6)."""
    if first[100] != 5:
        return []
    cells = [int.from_bytes(first[at : at + 2]) for at in range(112, 112 + 2 * int.from_bytes(first[103:105]), 2)]
    return [int.from_bytes(first[108:112]), *(int.from_bytes(first[at : at + 4]) for at in cells)]


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + ending).unlink()


def _tidy(sound: sqlite3.Connection) -> None:
    """Labels without their picture, or behind a gap in their ranks, would be taken for what they are not."""
    sound.execute("BEGIN IMMEDIATE")
    sound.execute("DELETE FROM predictions WHERE image_id NOT IN (SELECT id FROM images)")
    sound.execute("DELETE FROM taken_out WHERE image_id NOT IN (SELECT id FROM images)")
    sound.execute(
        """DELETE FROM predictions WHERE rank > (
            SELECT count(*) FROM predictions AS other
            WHERE other.image_id = predictions.image_id AND other.model_version_id = predictions.model_version_id
              AND other.rank <= predictions.rank)"""
    )
    sound.execute(derived.BEST)
    sound.execute("COMMIT")
    sound.executescript(f"BEGIN IMMEDIATE;\n{derived.recount()}COMMIT;")
