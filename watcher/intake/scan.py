"""What stands in the inbox: the truth, on every file system. Streams, so a backlog costs no memory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Fingerprint, LeftAlone, Seen
from watcher.intake.filters import ENDINGS, has_picture_ending, is_hidden_folder, is_temporary
from watcher.intake.inside import folder_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Below the inbox, in bytes. A clean path can be three times as long, and no system takes one of 4096.
LONGEST_PATH = 1200

NOT_A_PICTURE = f"its name does not end like a picture's ({', '.join(ENDINGS)})"
LINK = "a symbolic link is never followed; put the picture itself here"
SPECIAL = "not a regular file"
ELSEWHERE = "it is another file system, from which nothing can be claimed; copy its pictures into the inbox itself"
TOO_LONG = f"its path is longer than {LONGEST_PATH} bytes; move it to a folder higher up"
FOLDER = "a folder, though its name ends like a picture's; pictures inside it are taken"


def scan(inbox: Path, below: str = "") -> Iterator[Seen | LeftAlone]:
    """Everything in `inbox` under the folder `below`, depth first, in the file system's order.

    Temporary and hidden names are passed over in silence. A folder that goes away meanwhile is
    empty; one that may not be read is LeftAlone. Raises OSError if `inbox` itself cannot be read.
    """
    device = os.stat(inbox).st_dev
    pending = [below]
    while pending:
        folder = pending.pop()
        try:
            with folder_inside(inbox, folder, readable=True) as handle:
                # Asked of folders, not of files: those of an overlay file system can name a device of their own.
                if os.fstat(handle).st_dev != device:
                    yield LeftAlone(folder, ELSEWHERE)
                    continue
                with os.scandir(handle) as entries:
                    for entry in entries:
                        found = _look_at(entry, folder)
                        if isinstance(found, str):
                            pending.append(found)
                            if has_picture_ending(entry.name):
                                yield LeftAlone(found, FOLDER)
                        elif found:
                            yield found
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                raise
        except PermissionError as fault:
            if not folder:
                raise
            yield LeftAlone(folder, f"the folder may not be read: {fault.strerror}")


def look(inbox: Path, path: str) -> Seen | None:
    """The picture at `path` as it is now; None if none is there any more."""
    try:
        folder, name = os.path.split(path)
        with folder_inside(inbox, folder) as handle:
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Seen(path, Fingerprint.of(status)) if stat.S_ISREG(status.st_mode) else None


def _look_at(entry: os.DirEntry[str], folder: str) -> Seen | LeftAlone | str | None:
    """What `entry` is; a sub-folder's path where it is one; None for what gets no mention."""
    path = os.path.join(folder, entry.name)
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_hidden_folder(entry.name) if is_folder else is_temporary(entry.name):
            return None
        if len(os.fsencode(path)) > LONGEST_PATH:
            return LeftAlone(path, TOO_LONG)
        if is_folder:
            return path
        if entry.is_symlink():
            return LeftAlone(path, LINK)
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as fault:
        return LeftAlone(path, f"cannot be looked at: {fault.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return LeftAlone(path, SPECIAL)
    if not has_picture_ending(entry.name):
        return LeftAlone(path, NOT_A_PICTURE)
    return Seen(path, Fingerprint.of(status))


def is_visible(path: str) -> bool:
    """Whether a scan would look at `path` at all: not too long, no part of it hidden or temporary."""
    hidden = is_temporary(os.path.basename(path)) or any(map(is_hidden_folder, path.split(os.sep)))
    return not hidden and len(os.fsencode(path)) <= LONGEST_PATH
