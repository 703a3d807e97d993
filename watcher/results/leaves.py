"""Rows off the pages of an SQLite file, one page after the other, whatever has become of what leads to them.

Only the last level of a table's tree holds rows; if a page above is garbled, SQLite finds none of those below. Here
every page that can be such a leaf is read by itself (https://www.sqlite.org/fileformat2.html#b_tree_pages). Which table
a row is of, whoever asks has to tell from its values. A page that is not in use any more may hold rows as they were
once, so what SQLite finds comes first.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEAF = 13
WHOLE = 35  # a row that leaves less of a page than this goes on elsewhere, and is left out
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # of a value in bytes, by its kind

Value = int | float | str | bytes | None


class _Garbled(Exception):
    """Whatever stands there is no row."""


def rows(file: Path, page_size: int) -> Iterator[tuple[int, list[Value]]]:
    """The number and the values of each row. Raises OSError."""
    with file.open("rb") as opened:
        for page in _pages(opened, page_size):
            start = 100 if page.startswith(b"SQLite format 3\0") else 0
            if page[start] == LEAF:
                yield from _of_leaf(page, start)


def _pages(file: IO[bytes], size: int) -> Iterator[bytes]:
    while len(page := file.read(size)) == size:
        yield page


def _of_leaf(page: bytes, start: int) -> Iterator[tuple[int, list[Value]]]:
    for number in range(int.from_bytes(page[start + 3 : start + 5])):
        pointer = page[start + 8 + 2 * number : start + 10 + 2 * number]
        try:
            size, at = _varint(page, int.from_bytes(pointer))
            row, at = _varint(page, at)
            if size <= len(page) - WHOLE:
                yield row, _values(page[at : at + size])
        except (_Garbled, UnicodeDecodeError):
            continue


def _values(record: bytes) -> list[Value]:
    end, at = _varint(record, 0)
    values: list[Value] = []
    body = end
    while at < end:
        kind, at = _varint(record, at)
        size = _SIZES[kind] if kind < len(_SIZES) else (kind - 12) // 2
        if size < 0 or body + size > len(record):
            raise _Garbled
        values.append(_value(kind, record[body : body + size]))
        body += size
    return values


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    if kind in (8, 9):
        return kind - 8
    if kind < 7:
        return int.from_bytes(data, signed=True)
    return data.decode() if kind % 2 else data


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where it ends."""
    value = 0
    for count in range(9):
        if at + count >= len(data):
            raise _Garbled
        byte = data[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + count + 1
    raise _Garbled
