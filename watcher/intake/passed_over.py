"""Why a scan takes no notice of something in the inbox, or leaves it alone: for the person who wonders."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from watcher.intake.filters import BYPRODUCTS, has_picture_ending, is_hidden_folder, temporary_pattern
from watcher.intake.names import clean
from watcher.intake.scan import ELSEWHERE, FOLDER, LINK, LONGEST_PATH, NOT_A_PICTURE, SPECIAL, TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN_FOLDER = "a folder; the pictures in it are taken"
HIDDEN = "the folder {} is hidden, and nothing in such a folder is looked at"
BYPRODUCT = "the folder {} is one that systems keep for themselves, and nothing in it is looked at"
TEMPORARY = "its name fits {}, under which programs keep what is not finished or no picture; rename it to have it taken"


def why(inbox: Path, path: str) -> str | None:
    """Why what stands at `path`, raw and relative to the inbox, is never taken; None for a picture that waits.

    Agrees with `scan`. Raises OSError where it cannot be looked at.
    """
    return next(_reasons(inbox, path), None)


def _reasons(inbox: Path, path: str) -> Iterator[str]:
    """In the order in which a scan, which comes from above, meets them."""
    device = os.stat(inbox).st_dev
    folder = os.path.dirname(path)
    for above in _from_above(folder):
        yield from _of_folder(inbox, above, device)
    name, status = os.path.basename(path), os.lstat(inbox / path)
    if stat.S_ISDIR(status.st_mode):
        yield from _of_folder(inbox, path, device)
        yield FOLDER if has_picture_ending(name) else PLAIN_FOLDER
    if pattern := temporary_pattern(name):
        yield TEMPORARY.format(pattern)
    if len(os.fsencode(path)) > LONGEST_PATH:
        yield TOO_LONG
    if stat.S_ISLNK(status.st_mode):
        yield LINK
    if not stat.S_ISREG(status.st_mode):
        yield SPECIAL
    if not has_picture_ending(name):
        yield NOT_A_PICTURE


def _of_folder(inbox: Path, folder: str, device: int) -> Iterator[str]:
    name = os.path.basename(folder)
    if is_hidden_folder(name):
        said = BYPRODUCT if name.lower() in BYPRODUCTS else HIDDEN
        yield said.format(clean(folder))
    if len(os.fsencode(folder)) > LONGEST_PATH:
        yield TOO_LONG
    status = os.lstat(inbox / folder)
    if stat.S_ISLNK(status.st_mode):
        yield f"the folder {clean(folder)} is a symbolic link, which is never followed; put the pictures themselves here"
    if status.st_dev != device:
        yield ELSEWHERE


def _from_above(folder: str) -> Iterator[str]:
    parts = folder.split(os.sep) if folder else []
    for depth in range(1, len(parts) + 1):
        yield os.sep.join(parts[:depth])
