"""Ways into a folder that follow no symbolic link: whoever may write there could point it anywhere.

The folder itself, which the settings name, may be one.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.intake.moves import BAD_NAME, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC
# A handle to reach what is inside, for which a folder need not be readable.
_PASSING = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)


@contextmanager
def folder_inside(root: Path, below: str, *, readable: bool = False) -> Iterator[int]:
    """A handle on the folder `below` in `root`, to be used as `dir_fd`, or if `readable` to be listed.

    Raises NotADirectoryError where a part of `below` is a link or a file, FileNotFoundError where it is not there.
    """
    names = [name for name in below.split(os.sep) if name]
    if os.pardir in names:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), below)
    last = _FOLDER | os.O_RDONLY if readable else _PASSING
    handle = os.open(root, _PASSING if names else last)
    try:
        for number, name in enumerate(names, 1):
            flags = last if number == len(names) else _PASSING
            outer, handle = handle, os.open(name, flags | os.O_NOFOLLOW, dir_fd=handle)
            os.close(outer)
        yield handle
    finally:
        os.close(handle)


def open_inside(root: Path, path: str) -> int:
    """A handle to read the file `path` in `root`. Raises OSError, also where any part of `path` is a link."""
    folder, name = os.path.split(path)
    with folder_inside(root, folder) as handle:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, and no link to one."""
    return _kind(path) == stat.S_IFDIR


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file, and no link to one."""
    return _kind(path) == stat.S_IFREG


def _kind(path: Path) -> int | None:
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError as fault:
        if isinstance(fault, FileNotFoundError | NotADirectoryError) or fault.errno in BAD_NAME:
            return None
        raise


def between(root: Path, path: Path) -> list[Path]:
    """The folders above `path` and below `root`, the highest first."""
    parts = path.parent.relative_to(root).parts
    return [root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]


def reached(root: Path, path: Path) -> bool:
    """Whether the way from `root` to `path` leads through folders alone, and over no link."""
    return all(map(is_folder, between(root, path)))


def make_folder(folder: Path, root: Path | None = None, mode: int = 0o777) -> None:
    """Makes a folder and those above it, durably; none of those below `root`, if that is given, may be a link.

    Raises FileExistsError or NotADirectoryError for a file, or such a link, in the way.
    """
    inside = root is not None and folder != root and folder.is_relative_to(root)
    if inside:  # from the top, for what lies behind a link is nothing to ask about
        make_folder(folder.parent, root, mode)
    stands = is_folder if inside else Path.is_dir
    if stands(folder):
        return
    if not inside:
        make_folder(folder.parent, mode=mode)
    try:
        folder.mkdir(mode)
    except FileExistsError:
        if not stands(folder):
            raise
    sync(folder.parent)
