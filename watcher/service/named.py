"""Which rows name the files of a folder, told by the files' names, so that no index of places is needed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from watcher.intake.names import clean
from watcher.results import audit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database
    from watcher.results.audit import Entry

# What a name carries that was given because the picture's own was taken: a claim's id, or half of it.
TAG = re.compile(r"~([a-z2-7]{16}|[a-z2-7]{8})(?=(?:\.[^./]*)?\Z)")
# And a name that is nothing else.
_ONLY_CLAIM = re.compile(r"([a-z2-7]{16})(?:\.[^.]*)?\Z")


def named(home: Home, database: Database, folder: Path, paths: Sequence[Path]) -> dict[Path, Entry]:
    """Those of the originals in done/ or failed/ that a row names, each with its newest row.

    Missed are originals that have got quite another name than what was dropped: those are known by their content.
    """
    insides = [clean(os.path.relpath(path, folder)) for path in paths]
    places = (clean(home.relative(path)) for path in paths)
    rows = audit.by_original(database, zip(insides, places, strict=True))
    tags = (TAG.search(path.name) or _ONLY_CLAIM.match(path.name) for path in paths)
    rows += audit.by_beginning_of_claim(database, (tag[1] for tag in tags if tag))
    rows.sort(key=lambda entry: entry.id)
    return {home.root / entry.original_path: entry for entry in rows if entry.original_path and entry.kept is None}
