"""Originals that stay in the inbox although they are done: which of the pictures there still wait."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from watcher.intake.names import clean
from watcher.service.named import TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.intake.arrivals import Seen
    from watcher.results import Database


def not_kept(pictures: Sequence[Seen], database: Database) -> list[Seen]:
    """The pictures without those that were recorded and left in the inbox, and have not changed since."""
    names = {seen.path: names_of(seen.path) for seen in pictures}
    kept = database.kept(chain.from_iterable(names.values()))
    return [
        seen for seen in pictures if not any(str(seen.fingerprint) in kept.get(name, ()) for name in names[seen.path])
    ]


def names_of(path: str) -> set[str]:
    """Under which a picture may have been recorded."""
    return {clean(path), TAG.sub("", clean(path))}
