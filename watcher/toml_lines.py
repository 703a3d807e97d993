"""On which line of a TOML file a key stands: tomllib, which reads the values, does not say."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_HEADER = re.compile(rf"^\s*\[\[?\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_PAIR = re.compile(rf"^\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of every table header and `key =` of a valid TOML text, by full key.

    A key inside an inline table or a multi-line value has no line of its own: ask `line_of`.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines, which knows more ends than TOML
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif pair := _PAIR.match(line):
            key = table + _parts(pair[1])
            for depth in range(len(table) + 1, len(key) + 1):
                found.setdefault(key[:depth], number)
    return found


def line_of(lines: Mapping[tuple[str, ...], int], location: Sequence[str | int]) -> int:
    """The line of the deepest known part of `location`, 1 where none is known."""
    key = tuple(str(part) for part in location)
    return next((lines[key[:depth]] for depth in range(len(key), 0, -1) if key[:depth] in lines), 1)


def _parts(dotted: str) -> tuple[str, ...]:
    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()  # a line of a multi-line text that looks like a key
    parts = []
    while isinstance(value, dict):
        ((part, value),) = value.items()
        parts.append(part)
    return tuple(parts)
