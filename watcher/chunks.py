"""So many at a time, as one question or one look takes."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")

CHUNK = 500


def in_chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """The items in lists; no more are taken from a generator than have been asked for."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
