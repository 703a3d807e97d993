"""Annotated copies, out of the outbox and from nowhere else.

Rows say where a copy is, and whoever may write to the outbox could put a link there that leads anywhere. So a copy is
reached by handles, from folder to folder, and none may be a link. (The outbox itself, which the settings name, may be one.)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LARGEST = 256 * 2**20  # bytes of a copy: the largest picture that is taken makes one of less
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NoCopy(Exception):
    """There is no copy to be shown; the message says why, in words for a page."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An annotated copy that is open for reading."""

    handle: int
    size: int
    kind: str  # as browsers are told
    mark: str  # changes whenever the file does

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """A part of it, or all. Raises OSError."""
        parts, left = [], self.size - offset if size is None else size
        while left > 0 and (found := os.pread(self.handle, left, offset)):
            parts.append(found)
            offset, left = offset + len(found), left - len(found)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Outbox:
    """The folder of the copies, and the home that rows name it from."""

    root: Path
    folder: Path

    @contextmanager
    def copy(self, recorded: str | None) -> Iterator[Copy]:
        """The copy that a row records as `recorded`. Raises NoCopy."""
        handle = self._open(self._below(recorded))
        try:
            yield _examined(handle)
        finally:
            os.close(handle)

    def _below(self, recorded: str | None) -> list[str]:
        """The names on the way from the outbox to a copy."""
        if not recorded:
            raise NoCopy("It has no annotated copy")
        base, path = os.path.join(self.folder, ""), os.path.join(self.root, recorded)
        names = path.removeprefix(base).split(os.sep)
        if not path.startswith(base) or "\0" in path or {"", os.curdir, os.pardir} & set(names):
            raise NoCopy("Its annotated copy is not in this home\N{RIGHT SINGLE QUOTATION MARK}s outbox")
        return names

    def _open(self, names: list[str]) -> int:
        try:
            handle = os.open(self.folder, _FOLDER & ~os.O_NOFOLLOW)
            for name in names[:-1]:
                handle = _within(handle, name, _FOLDER)
            return _within(handle, names[-1], _FILE)
        except FileNotFoundError:
            raise NoCopy("Its annotated copy is not in the outbox any more") from None
        except (OSError, ValueError):  # a link, a file for a folder, a name that cannot be, no right to read it
            raise NoCopy("Its annotated copy cannot be read") from None


def _within(folder: int, name: str, flags: int) -> int:
    """What has this name in a folder, whose handle is closed."""
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _examined(handle: int) -> Copy:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise NoCopy("Its annotated copy is no file")
    if status.st_size > LARGEST:
        raise NoCopy("Its annotated copy is too large to be shown")
    try:
        start = os.pread(handle, 8, 0)
    except OSError:
        raise NoCopy("Its annotated copy cannot be read") from None
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            return Copy(handle, status.st_size, kind, f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}")
    raise NoCopy("Its annotated copy is no JPEG or PNG file")
