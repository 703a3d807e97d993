"""What people have said of pictures: a picture in corrections/MODEL/LABEL/ truly is LABEL."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.intake.inside import is_file, is_folder, reached
from watcher.intake.names import clean
from watcher.training.examples import Example, find_examples, group_in
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from watcher.home import Home
    from watcher.results import Database
    from watcher.training.watching import Watching


def corrected(
    examples: Sequence[Example], home: Home, model: str, group_by: str | None, database: Database, watching: Watching
) -> tuple[Example, ...]:
    """The examples with what people have said of pictures in corrections/MODEL/LABEL/, which outweighs what they said.

    Of an annotated copy its original counts, for the copy has the model's own words on it; where that is gone, it is left
    out and noted, and so is a label that the examples do not have. A correction is of the group of the same picture among
    the examples, so that one by which models are judged stays so; else of the group that its name or the results tell.
    Symbolic links are not followed, and noted: whoever may correct must not have other files read.
    """
    found = _found(home.corrections / model, watching)
    if not found:
        return tuple(examples)
    originals = _originals(home, found, database)
    labels = {example.label for example in examples}
    contents = [_content(example) for example in examples]
    groups = {content: example.group for content, example in zip(contents, examples, strict=True)}
    pattern = re.compile(group_by) if group_by is not None else None
    said: dict[bytes | None, Example] = {}
    for example in found:
        original = originals.get(example.path, _Original(example.path, None))
        if original.path is None:
            watching.note(f"left out, for it is an annotated copy whose original is gone: {clean(str(example.path))}")
        elif example.label not in labels:
            watching.note(f"left out, for the pictures have no label {example.label}: {clean(str(example.path))}")
        else:
            known = replace(example, path=original.path)
            content = _content(known)
            named = group_in(original.path.name, pattern) if pattern else None
            group = groups.get(content) or named or original.group or clean(original.path.name)
            said[content] = replace(known, group=group)
    pairs = zip(contents, examples, strict=True)
    kept = [example for content, example in pairs if said.get(content, example).label == example.label]
    return (*kept, *said.values())


def _found(folder: Path, watching: Watching) -> tuple[Example, ...]:
    """None where there is nothing but what others leave in folders, such as Thumbs.db."""
    for link in _links(folder):
        watching.note(f"left out, for it is a symbolic link; put the picture itself there: {clean(str(link))}")
    try:
        return find_examples(folder, links=False) if is_folder(folder) else ()
    except DataError:
        return ()


def _links(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        yield folder
        return
    for parent, folders, files in os.walk(folder):
        paths = (Path(parent, name) for name in sorted((*folders, *files)))
        yield from (path for path in paths if path.is_symlink())


def _content(example: Example) -> bytes | None:
    """The SHA-256 of the file; None of one that cannot be read, which is told of elsewhere."""
    try:
        return hashlib.sha256(example.path.read_bytes()).digest()
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Original:
    """Where the original of an annotated copy stands, if it still does, and its group in the results."""

    path: Path | None
    group: str | None


def _originals(home: Home, examples: Sequence[Example], database: Database) -> dict[Path, _Original]:
    """Of those that are annotated copies."""
    claims = dict(_claims(examples))
    recorded = database.recorded(claims.values())
    found: dict[Path, _Original] = {}
    for copy, claim in claims.items():
        row = recorded.get(claim)
        original = home.root / row.original_path if row and row.original_path else None
        stands = original and is_file(original) and reached(home.folder_of(original), original)
        found[copy] = _Original(original if stands else None, row.group if row else None)
    return found


def _claims(examples: Sequence[Example]) -> Iterator[tuple[Path, str]]:
    for example in examples:
        if caption := read_caption(example.path):
            yield example.path, caption.claim
