"""Which name a file gets in the outbox, done or failed: its own, unless that is taken.

The three folders may be links, for the settings name them; a link below them, which anyone who may write there can
make, is taken for a file that is in the way.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import unicodedata
from itertools import takewhile
from typing import TYPE_CHECKING

from watcher.intake.claims import short
from watcher.intake.inside import between, is_file, is_folder, make_folder, reached
from watcher.intake.moves import BAD_NAME, move_new, same_file, stands, sync
from watcher.intake.names import LONGEST, clean, cut, fitting, tagged
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from watcher.intake.arrivals import Claim

# Linux' PATH_MAX less room for a reason's ending: cleaning can lengthen a path threefold.
LONGEST_PATH = 4000


def targets_for(folder: Path, claim: Claim, path: str) -> Iterator[Path]:
    """`path`, clean and relative, below `folder`; then names that carry the claim's id and so belong to no other."""
    for tag in (None, short(claim.id), claim.id):  # one after the other, for nearly always the first will do
        target = folder / (tagged(path, tag) if tag else fitting(path))
        if len(os.fsencode(target)) < LONGEST_PATH:
            yield target
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
            make_folder(target.parent, outbox)
            move_new(half, target)
        except (FileExistsError, NotADirectoryError):
            if not is_copy_of(claim.id, outbox, target):
                continue
            os.replace(half, target)
        except OSError as fault:
            if fault.errno not in BAD_NAME:
                raise
            continue
        return target
    raise _all_taken(outbox / path)


def is_copy_of(claim: str, outbox: Path, path: Path) -> bool:
    """Whether the annotated copy of a claim stands at `path`, itself and no link. Raises OSError if it is unreadable."""
    if not (reached(outbox, path) and is_file(path)):
        return False
    caption = read_caption(path)
    return caption is not None and caption.claim == claim


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
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def choose(self, folder: Path, claim: Claim, note: str = "") -> Path:
        """A name below `folder` that no file has. With `note`, an ending, that of its note is free, too.

        A note that stands there without its picture may be replaced. Raises FileExistsError where all is taken.
        """
        for target in targets_for(folder, claim, clean(claim.path)):
            beside = note_of(target, claim, note)
            above = between(folder, target)
            if self._is_free(target) and not self._is_folder(beside) and all(map(self._can_hold, above)):
                self._files |= {alike(target), alike(beside)}
                self._folders |= set(map(alike, above))
                return target
        raise _all_taken(folder / clean(claim.path))

    def _is_folder(self, path: Path) -> bool:
        return alike(path) in self._folders or path.is_dir()

    def _is_free(self, target: Path) -> bool:
        return not (alike(target) in self._files | self._folders or stands(target))

    def _can_hold(self, folder: Path) -> bool:
        """Whether `folder` is there or could be made: no file has its name, and no link."""
        return alike(folder) not in self._files and (is_folder(folder) or not stands(folder))


# Letters that file systems without regard to case leave out of account: joiners, variation selectors.
_IGNORED = re.compile("[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
# Servers of Windows cut these off the end of a name.
_CUT_OFF = re.compile(r"[. ]+(?=/|\Z)")


def alike(path: Path) -> str:
    """The same for all paths that some file system takes for one: by case, by Unicode form, by blanks at an end."""
    text = str(path)
    if text.isascii():
        return _CUT_OFF.sub("", text.lower())
    text = unicodedata.normalize("NFD", _IGNORED.sub("", text)).casefold()
    return _CUT_OFF.sub("", unicodedata.normalize("NFD", text))


def put_original(
    source: Path, target: Path, claim: Claim, root: Path, elsewhere: Callable[[Path], None] = lambda _: None
) -> Path:
    """Moves an original to the name below `root` that was recorded for it; may be repeated after a crash.

    Returns where it went. That is elsewhere, and `elsewhere` is told before, only if somebody took the name in between or
    the file system does not take it.
    """
    if not stands(source):
        return target
    try:
        make_folder(target.parent, root)
        move_new(source, target)
    except (FileExistsError, NotADirectoryError):
        if reached(root, target) and is_file(target) and _same(source, target):
            # An earlier try came as far as the second name, or the copy, which may not be on the disk yet.
            if not same_file(source, target):
                sync(target)
            sync(target.parent)
            os.unlink(source)
        else:
            target = _nearest_folder(root, target) / tagged(target.name, claim.id)
            elsewhere(target)
            move_new(source, target)
    except OSError as fault:
        if fault.errno not in BAD_NAME:
            raise
        target = _nearest_folder(root, target) / plain_name(claim)
        elsewhere(target)
        move_new(source, target)
    return target


def _same(source: Path, target: Path) -> bool:
    return same_file(source, target) or filecmp.cmp(source, target, shallow=False)


def _nearest_folder(root: Path, path: Path) -> Path:
    """The lowest folder above `path` that is one: somebody's file or link may have the name of another."""
    return [root, *takewhile(is_folder, between(root, path))][-1]
