"""Is the inbox there, or has its share gone away? What is away is not gone, and an empty mount point is no empty inbox."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.inside import is_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Ours, in the inbox: there the pictures stand that are in work.
FOLDER = ".watcher"


class Presence:
    """Tells by our own folder in the inbox; where that was tidied away, by what the inbox was when this began.

    `must_be_mounted` raises OSError while nothing is mounted where the inbox's share should be.
    """

    def __init__(self, inbox: Path, must_be_mounted: Callable[[], None] = lambda: None) -> None:
        self._inbox = inbox
        self._must_be_mounted = must_be_mounted
        self._begun: os.stat_result | None = None
        self._was_unmounted = False

    def begin(self) -> None:
        """To be called by whoever takes pictures, while the inbox is there. Raises OSError if it is not."""
        if self._begun is None:
            self.must_be_mounted()
            begun = os.stat(self._inbox)
            self.must_be_mounted()  # still: or that was its mount point
            self._begun = begun

    def must_be_mounted(self) -> None:
        """Raises OSError while the inbox's share is known to be away."""
        try:
            self._must_be_mounted()
        except OSError:
            self._was_unmounted = True
            raise

    def must_be_there(self) -> None:
        """Raises OSError while the inbox is away. Makes our folder anew where it was tidied away."""
        self.must_be_mounted()
        if not is_folder(self._inbox / FOLDER):
            if not self._is_ours():
                raise FileNotFoundError(
                    errno.ENOENT, "the inbox is not there (is its share mounted?)", str(self._inbox)
                )
            with suppress(FileExistsError):
                (self._inbox / FOLDER).mkdir()
        self._was_unmounted = False

    def is_there(self) -> bool:
        """Whether the inbox is there, with our folder. Changes nothing."""
        try:
            self.must_be_mounted()
        except OSError:
            return False
        return is_folder(self._inbox / FOLDER)

    def _is_ours(self) -> bool:
        """Whether a folder without ours is the one that this began with, or another share that was mounted since.

        Not so what a server shows that has lost its disk: that is mounted still.
        """
        try:
            now = os.stat(self._inbox)
        except FileNotFoundError:
            return False
        if self._begun is None:
            return False
        changed = self._was_unmounted or now.st_dev != self._begun.st_dev
        return os.path.samestat(now, self._begun) or (changed and os.path.ismount(self._inbox))
