"""What people have said of pictures: a picture in corrections/MODEL/LABEL/ truly is LABEL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.training.examples import Example, find_examples
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database
    from watcher.training.watching import Watching


def corrections(
    home: Home, model: str, group_by: str | None, database: Database, watching: Watching
) -> tuple[Example, ...]:
    """The corrected pictures of a model, none where nobody has corrected any.

    Of an annotated copy its original counts, for the copy has the model's own words on it; where that is gone, it is left
    out and noted. A name in which `group_by` finds no group makes the picture a group of its own.
    """
    folder = home.corrections / model
    if not folder.is_dir() or not any(path.is_file() for path in folder.glob("*/**/*")):
        return ()
    found = find_examples(folder)
    originals = _originals(home, found, database)
    kept = []
    for example in found:
        path = originals.get(example.path, example.path)
        if path is None:
            watching.note(f"left out, for it is an annotated copy whose original is gone: {example.path}")
            continue
        kept.append(replace(example, path=path, group=_group(path, example, group_by), corrected=True))
    return tuple(kept)


def settled(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Without those whose content a person has given another label."""
    said = {_content(example): example.label for example in examples if example.corrected}
    if not said:
        return tuple(examples)
    return tuple(
        example
        for example in examples
        if example.corrected or said.get(_content(example), example.label) == example.label
    )


def _content(example: Example) -> bytes | None:
    """The SHA-256 of the file; None of one that cannot be read, which is told of elsewhere."""
    try:
        return hashlib.sha256(example.path.read_bytes()).digest()
    except OSError:
        return None


def _originals(home: Home, examples: Sequence[Example], database: Database) -> dict[Path, Path | None]:
    """Of those that are annotated copies, where the original stands; None where it is gone."""
    claims = dict(_claims(examples))
    recorded = database.recorded(claims.values())
    found: dict[Path, Path | None] = {}
    for copy, claim in claims.items():
        place = recorded[claim].original_path if claim in recorded else None
        original = home.root / place if place else None
        found[copy] = original if original and original.is_file() else None
    return found


def _claims(examples: Sequence[Example]) -> Iterator[tuple[Path, str]]:
    for example in examples:
        if caption := read_caption(example.path):
            yield example.path, caption.claim


def _group(path: Path, example: Example, group_by: str | None) -> str:
    found = re.search(group_by, path.name) if group_by is not None else None
    if found is None:
        return example.group
    return found[1] if found.re.groups and found[1] is not None else found[0]
