"""Moving files without ever writing over one, on one file system or across two."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What link(2) says where hard links are not to be had: FAT, many FUSE and SMB mounts, and the
# kernel's protected_hardlinks for other people's files.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


def move_new(source: Path, target: Path) -> None:
    """Moves a file to a name that must be free; after a crash both names may stand, never neither.

    Raises FileExistsError if `target` is taken, FileNotFoundError if `source` is gone. Across file
    systems the copy is durable before the source goes.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as fault:
        if fault.errno == errno.EXDEV:
            _copy_new(source, target)
        elif fault.errno in _NO_LINKS:
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            os.rename(source, target)
            return
        else:
            raise
    os.unlink(source)


def _copy_new(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    half = target.parent / f".watcher-{os.getpid()}-{target.name[:100]}.tmp"
    try:
        shutil.copy2(source, half, follow_symlinks=False)
        sync(half)
        move_new(half, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(half)
        raise
    sync(target.parent)


def write_durably(path: Path, data: bytes) -> None:
    """A new file at `path` whose bytes are on the disk when this returns; its name may not be yet.

    What an earlier try left under the name is removed first, never written into: it may be a hard link.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(handle, "wb", closefd=True) as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
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
