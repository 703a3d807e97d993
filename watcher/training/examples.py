"""Which pictures there are to learn or to be tested on: a folder for each label, or a list."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.intake.filters import has_picture_ending, is_hidden_folder, is_temporary
from watcher.intake.inside import is_file
from watcher.intake.names import clean
from watcher.models.labels import label_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its true label. Pictures of one group (a slide, a patient, a camera) resemble each other."""

    path: Path
    label: str
    group: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be read, and why."""

    path: Path
    reason: str


def find_examples(source: Path, group_by: str | None = None, *, links: bool = True) -> tuple[Example, ...]:
    """The examples of a folder with one sub-folder for each label, or of a CSV list, sorted by path.

    Links are followed, for sets of pictures are often made of them: not without `links`, where others may put files.

    `group_by` is a regular expression on the file's name: its first parenthesis, or else the whole
    match, names the group. Without it, the group is the folder between the label's and the picture, or the
    list's column `group`; a picture that has neither is a group of its own. Raises DataError.
    """
    pattern = _pattern(group_by)
    found = _listed(source, pattern) if source.is_file() else _in_folder(source, pattern, links)
    examples = tuple(sorted(found, key=lambda example: (str(example.path), example.label)))
    if not examples:
        raise DataError(f"{source}: no pictures: put them into one sub-folder for each label, as {source}/cat/1.jpg")
    for fault in filter(None, map(label_fault, sorted({example.label for example in examples}))):
        raise DataError(f"{source}: {fault}")
    return examples


def _pattern(group_by: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(group_by) if group_by is not None else None
    except re.error as fault:
        raise DataError(f"{group_by!r} is no regular expression: {fault}") from fault


def _in_folder(root: Path, pattern: re.Pattern[str] | None, links: bool) -> Iterator[Example]:
    """A folder is entered once for each label."""
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    entered = set()
    for folder, below, names in os.walk(root, followlinks=links, onerror=_refuse):
        place = os.path.relpath(folder, root)
        label, _, group = place.partition(os.sep)
        real = os.path.realpath(folder)
        if (label, real) in entered or (label != os.curdir and real == os.path.realpath(root)):
            below.clear()  # a link led back
            continue
        entered.add((label, real))
        below[:] = sorted(name for name in below if not is_hidden_folder(name))
        if label == os.curdir:
            continue  # a picture at the top has no label
        for name in names:
            if has_picture_ending(name) and not is_temporary(name):
                path = os.path.join(place, name)
                if links or is_file(root / path):
                    yield Example(root / path, clean(label), _group(path, pattern, group))


def _refuse(fault: OSError) -> None:
    raise DataError(f"{fault.filename}: cannot be looked into: {fault.strerror}") from fault


def _listed(path: Path, pattern: re.Pattern[str] | None) -> Iterator[Example]:
    """A list has a header with `path` and `label`, perhaps `group`; its paths are relative to itself."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"path", "label"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path}: a list of pictures is a CSV file whose first line names path and label")
            for row in rows:
                if not row["path"] or "\0" in row["path"] or not row["label"]:
                    raise DataError(f"{path}, line {rows.line_num}: a path and a label are needed")
                yield Example(
                    path.parent / row["path"], clean(row["label"]), _group(row["path"], pattern, row.get("group") or "")
                )
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise DataError(f"{path}: cannot be read as a list of pictures (CSV in UTF-8): {fault}") from fault


def _group(path: str, pattern: re.Pattern[str] | None, folder: str) -> str:
    if pattern is None:
        return clean(folder or path)
    group = group_in(path, pattern)
    if group is None:
        raise DataError(
            f"{clean(path)}: the expression {pattern.pattern!r} finds no group in this name: "
            "mend --group-by, or leave it out to group by sub-folder"
        )
    return group


def group_in(path: str, pattern: re.Pattern[str]) -> str | None:
    """The group that a file's name tells: the expression's first parenthesis, or else the whole match; None if none."""
    found = pattern.search(os.path.basename(path))
    if not found:
        return None
    return clean(found[1] if pattern.groups and found[1] is not None else found[0])


def data_digest(examples: Sequence[Example], contents: Sequence[str]) -> str:
    """One SHA-256 over all contents and labels, whatever the files are called and however they are grouped.

    `contents` are the SHA-256 of the examples' files.
    """
    facts = sorted(f"{content} {example.label}" for content, example in zip(contents, examples, strict=True))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
