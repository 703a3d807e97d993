"""Which name a file gets in the outbox, done or failed: its own, unless that is taken."""

from __future__ import annotations

import errno
import filecmp
import os
from typing import TYPE_CHECKING

from watcher.intake.claims import short
from watcher.intake.moves import move_new, same_file, sync
from watcher.intake.names import LONGEST, clean, cut, fitting, tagged
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.intake.arrivals import Claim

# Linux' PATH_MAX less room for a reason's ending: cleaning can lengthen a path threefold.
LONGEST_PATH = 4000


# What a file system says of a name that it does not take: too long, or with a letter that it has other uses for.
_BAD_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


def targets_for(folder: Path, claim: Claim, path: str) -> Iterator[Path]:
    """`path`, clean and relative, below `folder`; then names that carry the claim's id and so belong to no other."""
    for target in (fitting(path), tagged(path, short(claim.id)), tagged(path, claim.id)):
        if len(os.fsencode(folder / target)) < LONGEST_PATH:
            yield folder / target
    # Where a file has the name that a folder of ours needs, or the path became too long.
    yield folder / tagged(os.path.basename(path), claim.id)
    yield folder / plain_name(claim)


def plain_name(claim: Claim) -> str:
    """A name that every file system takes."""
    ending = os.path.splitext(claim.path)[1]
    return claim.id + (ending if ending.isascii() else "")


def put_copy(half: Path, outbox: Path, claim: Claim, path: str) -> Path:
    """Gives a finished annotated copy, `half`, its name in the outbox.

    A copy that stands there already gives way only if it is this claim's own, from before a crash.
    """
    for target in targets_for(outbox, claim, path):
        try:
            make_folder(target.parent)
            move_new(half, target)
        except (FileExistsError, NotADirectoryError):
            caption = read_caption(target) if target.is_file() else None
            if caption is None or caption.claim != claim.id:
                continue
            os.replace(half, target)
        except OSError as fault:
            if fault.errno not in _BAD_NAME:
                raise
            continue
        return target
    raise _all_taken(outbox / path)


def _all_taken(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "every name that this picture may have is taken", str(path))


def note_of(original: Path, claim: Claim, ending: str) -> Path:
    """What the note beside an original is called; a name too long for that is cut, and carries the claim's id."""
    name = original.name + ending
    if len(os.fsencode(name)) > LONGEST:
        tail = f"~{short(claim.id)}{ending}"
        name = cut(original.name, LONGEST - len(tail)) + tail
    return original.with_name(name)


class Reservations:
    """Free names for originals, chosen before they are moved there, each given out once."""

    def __init__(self) -> None:
        self._files: set[Path] = set()
        self._folders: set[Path] = set()

    def choose(self, folder: Path, claim: Claim, note: str = "") -> Path:
        """A name below `folder` that no file has. With `note`, an ending, that of its note is free, too.

        A note that stands there without its picture may be replaced. Raises FileExistsError where all is taken.
        """
        for target in targets_for(folder, claim, clean(claim.path)):
            beside = note_of(target, claim, note)
            between = list(_between(folder, target))
            if self._is_free(target) and not self._is_folder(beside) and all(map(self._can_hold, between)):
                self._files |= {target, beside}
                self._folders.update(between)
                return target
        raise _all_taken(folder / clean(claim.path))

    def _is_folder(self, path: Path) -> bool:
        return path in self._folders or path.is_dir()

    def _is_free(self, target: Path) -> bool:
        return not (target in self._files or target in self._folders or os.path.lexists(target))

    def _can_hold(self, folder: Path) -> bool:
        """Whether `folder` is there or could be made: no file has its name."""
        return folder not in self._files and (folder.is_dir() or not os.path.lexists(folder))


def _between(root: Path, target: Path) -> Iterator[Path]:
    """The folders above `target` and below `root`."""
    while (target := target.parent) != root:
        yield target


def put_original(source: Path, target: Path, claim: Claim) -> Path:
    """Moves an original to the name that was recorded for it; may be repeated after a crash.

    Returns where it went: elsewhere only if somebody else took the name in between.
    """
    if not os.path.lexists(source):
        return target
    try:
        make_folder(target.parent)
        move_new(source, target)
    except (FileExistsError, NotADirectoryError):
        if target.is_file() and (same_file(source, target) or filecmp.cmp(source, target, shallow=False)):
            os.unlink(source)  # an earlier try came as far as the copy
        else:
            target = _nearest_folder(target) / tagged(target.name, claim.id)
            move_new(source, target)
    except OSError as fault:
        if fault.errno not in _BAD_NAME:
            raise
        target = _nearest_folder(target) / plain_name(claim)
        move_new(source, target)
    return target


def _nearest_folder(path: Path) -> Path:
    """The lowest folder above `path` that is one: somebody's file may have the name of another."""
    while not (path := path.parent).is_dir():
        pass
    return path


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
