"""Moving files without ever writing over one, on one file system or across two."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# rename(2) that refuses to replace: Linux, on local file systems and some shares. Python has no name for it.
_RENAMEAT2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
_CURRENT_FOLDER, _NO_REPLACE = -100, 1
_NO_RENAMEAT2 = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}

# What link(2) says where hard links are not to be had: FAT, many FUSE and SMB mounts, and the
# kernel's protected_hardlinks for other people's files.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}

# What a file system says of a name that it does not take: too long, or with a letter that it has other uses for.
BAD_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


def move_new(source: Path, target: Path) -> None:
    """Moves a file to a name that must be free, in one step where the system can; never neither name stands.

    Raises FileExistsError if `target` is taken, FileNotFoundError if `source` is gone. Across file
    systems the copy is durable before the source goes.
    """
    try:
        if not _renamed(source, target):
            _link(source, target)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        _copy_new(source, target)
        os.unlink(source)


def _renamed(source: Path, target: Path) -> bool:
    """Renames; False where the system or the file system cannot refuse to replace."""
    if _RENAMEAT2 is None:
        return False
    old, new = os.fsencode(source), os.fsencode(target)
    if _RENAMEAT2(_CURRENT_FOLDER, old, _CURRENT_FOLDER, new, _NO_REPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_RENAMEAT2:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def _link(source: Path, target: Path) -> None:
    """Moves in two steps; after a crash between them both names stand."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
        _must_be_free(target)
        os.rename(source, target)
    else:
        os.unlink(source)


def _copy_new(source: Path, target: Path) -> None:
    _must_be_free(target)
    status = os.lstat(source)
    # Named for the source, so that a repetition after a crash finds what that left, and leaves no second one.
    half = target.parent / f".watcher-{status.st_dev:x}-{status.st_ino:x}.tmp"
    with suppress(FileNotFoundError):
        os.unlink(half)  # never written into: it may be a hard link
    try:
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(source), half)
        else:
            _copy(source, half)
        move_new(half, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(half)
        raise
    sync(target.parent)


def _copy(source: Path, half: Path) -> None:
    """The bytes, durably, with times and rights where the share keeps them, but no right to run as its new owner."""
    # x: no link that somebody has put there
    with _about(half), open(source, "rb") as original, open(half, "xb") as copy:
        shutil.copyfileobj(original, copy)
        copy.flush()
        old, new = original.fileno(), copy.fileno()
        status = os.fstat(old)
        with suppress(OSError):
            os.fchmod(new, stat.S_IMODE(status.st_mode) & 0o777)
        with suppress(OSError):
            for name in os.listxattr(old):
                os.setxattr(new, name, os.getxattr(old, name))
        with suppress(OSError):
            os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(new)


def _must_be_free(target: Path) -> None:
    if stands(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def stands(path: Path) -> bool:
    """Whether anything has this name. Raises OSError where that cannot be told, of which `lexists` makes a no."""
    try:
        os.lstat(path)
    except OSError as fault:
        if isinstance(fault, FileNotFoundError | NotADirectoryError) or fault.errno in BAD_NAME:
            return False
        raise
    return True


def write_durably(path: Path, data: bytes) -> None:
    """A new file at `path` whose bytes are on the disk when this returns; its name may not be yet.

    What an earlier try left under the name is removed first, never written into: it may be a hard link.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with _about(path), open(handle, "wb", closefd=True) as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """What the system says of an open file, as that the disk is full, does not tell which file that is."""
    try:
        yield
    except OSError as fault:
        if fault.filename is None:
            fault.filename = str(path)
        raise


def sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _about(path):
            os.fsync(handle)
    except OSError as fault:
        # Some network file systems have no fsync for folders; their renames are the server's affair.
        if fault.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def same_file(one: Path, other: Path) -> bool:
    """Whether two names stand for one and the same file on disk."""
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False
