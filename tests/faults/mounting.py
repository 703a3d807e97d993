"""Small disks and shares that come and go, where the tests may mount anything."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress


def can_mount(folder):
    """Whether a file system can be mounted on a folder."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    with suppress(OSError, subprocess.CalledProcessError), disk(folder, "64k"):
        return True
    return False


@contextmanager
def disk(folder, size):
    """A file system of that size on a folder, during a block."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        unmount(folder)


def bind(share, folder):
    """What a share holds is in the folder from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("--bind", share, folder)


def set_readonly(folder, readonly):
    """Lets what is mounted on a folder be written no more, or again."""
    _mount("-o", f"remount,{'ro' if readonly else 'rw'}", folder)


def unmount(folder):
    """Takes all away that is mounted there, whoever uses it."""
    while subprocess.run(["umount", "-l", folder], capture_output=True, check=False).returncode == 0:
        pass


def _mount(*args):
    subprocess.run(["mount", *args], check=True, capture_output=True)


class Filler:
    """A file that takes all the room that a disk has left."""

    def __init__(self, folder):
        self._path = folder / "filler"

    def fill(self):
        """So that not a byte can be written more."""
        with self._path.open("ab") as file:
            size = 1 << 24
            while size >= 1:
                try:
                    os.posix_fallocate(file.fileno(), file.tell(), size)
                    file.seek(0, os.SEEK_END)
                except OSError:
                    size >>= 1

    def remove(self):
        self._path.unlink(missing_ok=True)
