"""Which name a file gets in the outbox, done or failed: its own, unless that is taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.intake.claims import short
from watcher.intake.moves import move_new, same_file, sync
from watcher.intake.names import clean, fitting, tagged
from watcher.models.package import digest_of
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.intake.arrivals import Claim


def names_for(claim: Claim, path: str) -> Iterator[str]:
    """`path`, clean and relative, then names that carry the claim's id and so belong to no other."""
    yield fitting(path)
    yield tagged(path, short(claim.id))
    yield tagged(path, claim.id)
    # Where a file has the name that a folder of ours needs, or the path became too long.
    yield tagged(os.path.basename(path), claim.id)


def put_copy(half: Path, outbox: Path, claim: Claim, path: str) -> Path:
    """Gives a finished annotated copy, `half`, its name in the outbox.

    A copy that stands there already gives way only if it is this claim's own, from before a crash.
    """
    for name in names_for(claim, path):
        target = outbox / name
        try:
            make_folder(target.parent)
            move_new(half, target)
        except (FileExistsError, NotADirectoryError):
            caption = read_caption(target) if target.is_file() else None
            if caption is None or caption.claim != claim.id:
                continue
            os.replace(half, target)
        return target
    raise FileExistsError(17, "every name that this picture may have is taken", str(outbox / path))


class Reservations:
    """Free names for originals, chosen before they are moved there, each given out once."""

    def __init__(self) -> None:
        self._taken: set[Path] = set()

    def choose(self, folder: Path, claim: Claim) -> Path:
        """A name below `folder` that no file has."""
        for name in names_for(claim, clean(claim.path)):
            target = folder / name
            if target not in self._taken and not os.path.lexists(target) and _can_hold(folder, target.parent):
                break
        self._taken.add(target)
        return target

    def clear(self) -> None:
        """To be called once the originals are where they were to go."""
        self._taken.clear()


def _can_hold(root: Path, folder: Path) -> bool:
    """Whether `folder` is there or could be made: no part of it below `root` is a file."""
    while folder != root:
        if os.path.lexists(folder) and not folder.is_dir():
            return False
        folder = folder.parent
    return True


def put_original(source: Path, target: Path, claim: Claim) -> Path:
    """Moves an original to the name that was recorded for it; may be repeated after a crash.

    Returns where it went: elsewhere only if somebody else took the name in between.
    """
    if not os.path.lexists(source):
        return target
    make_folder(target.parent)
    try:
        move_new(source, target)
    except FileExistsError:
        if same_file(source, target) or (target.is_file() and digest_of(source) == digest_of(target)):
            os.unlink(source)  # an earlier try came as far as the copy
        else:
            target = target.parent / tagged(target.name, claim.id)
            move_new(source, target)
    return target


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, durably. Raises FileExistsError or NotADirectoryError for a file in the way."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync(folder.parent)
