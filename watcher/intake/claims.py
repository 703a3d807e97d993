"""The claim folder: the pictures in work, each moved there by one atomic rename.

`inbox/.watcher/OWNER.ID.ATTEMPTS/slide-12/cell_3.png` says all that a restart needs: whose the
picture is, under which id it is recorded, how often it was opened, and where it came from. So after
a crash the claim folder alone tells what is left to do.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Claim, Fingerprint, Seen
from watcher.intake.moves import move_new
from watcher.intake.names import tagged
from watcher.intake.scan import look
from watcher.intake.writers import is_being_written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ".watcher"
_ENTRY = re.compile(r"(?P<owner>[a-z2-7]+)\.(?P<id>[a-z2-7]{16})\.(?P<attempts>\d+)")


def new_id() -> str:
    """80 random bits in lower-case base 32: valid in file names everywhere, never seen before."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def short(claim_id: str) -> str:
    """The part of an id that is put into file names whose own name was taken."""
    return claim_id[:8]


class ClaimFolder:
    """The claims of one owner (a home) in an inbox that it may share with others."""

    def __init__(self, inbox: Path, owner: str) -> None:
        self._inbox = inbox
        self._root = inbox / FOLDER
        self._owner = owner

    def make(self) -> None:
        """Makes the folder; its presence also tells a mounted inbox from an empty mount point."""
        self._root.mkdir(exist_ok=True)

    def file(self, claim: Claim) -> Path:
        """Where a claimed picture stands."""
        return self._folder(claim) / claim.path

    def claim(self, seen: Seen) -> Claim | None:
        """Takes the picture; None if it is still being written, changed after all, or is gone.

        Raises OSError if the inbox does not let us.
        """
        if is_being_written(self._inbox / seen.path):
            return None
        claim = Claim(new_id(), seen.path, seen.fingerprint)
        target = self.file(claim)
        target.parent.mkdir(parents=True)
        try:
            os.rename(self._inbox / seen.path, target)
        except (FileNotFoundError, NotADirectoryError):
            self.remove_folder(claim)
            return None
        except OSError:
            self.remove_folder(claim)
            raise
        if not self.is_unchanged(claim):
            self.put_back(claim)
            return None
        return claim

    def is_unchanged(self, claim: Claim) -> bool:
        """Whether the claimed file is still the one that had settled: its writer may hold it open."""
        now = look(self._folder(claim), claim.path)
        return now is not None and now.fingerprint == claim.fingerprint

    def attempt(self, claim: Claim) -> Claim:
        """Counts, on disk, that the picture is about to be opened."""
        tried = claim.tried()
        os.rename(self._folder(claim), self._folder(tried))
        return tried

    def put_back(self, claim: Claim) -> None:
        """Returns the picture to the inbox, beside a new one of its name if there is one."""
        for path in (claim.path, tagged(claim.path, short(claim.id))):
            target = self._inbox / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                move_new(self.file(claim), target)
                break
        self.remove_folder(claim)

    def remove_folder(self, claim: Claim) -> None:
        """Removes the claim's folders, which stay if anything is still in them."""
        folder = self._folder(claim)
        path = (folder / claim.path).parent
        with suppress(OSError):
            while path != self._root:
                path.rmdir()
                path = path.parent

    def recover(self) -> list[Claim]:
        """The claims that an earlier process of this owner left, least tried first."""
        return sorted(self._left(), key=lambda claim: claim.attempts)

    def ids(self) -> list[str]:
        """The ids of all claims in the inbox that hold a picture, whoever owns them."""
        return [entry["id"] for entry, _ in self._entries() if self._picture(entry) is not None]

    def _left(self) -> Iterator[Claim]:
        for entry, folder in list(self._entries()):
            if entry["owner"] != self._owner:
                continue
            path = self._picture(entry)
            if path is not None and (seen := look(folder, path)):
                yield Claim(entry["id"], path, seen.fingerprint, int(entry["attempts"]))
            elif path is None:
                _remove_empty(folder)

    def _entries(self) -> Iterator[tuple[re.Match[str], Path]]:
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return
        for name in names:
            if entry := _ENTRY.fullmatch(name):
                yield entry, self._root / name

    def _picture(self, entry: re.Match[str]) -> str | None:
        """The path, below its claim's folder, of the file that an entry holds."""
        folder = self._root / entry[0]
        for parent, _, files in os.walk(folder):
            if files:
                return os.path.relpath(os.path.join(parent, files[0]), folder)
        return None

    def _folder(self, claim: Claim) -> Path:
        return self._root / f"{self._owner}.{claim.id}.{claim.attempts}"


def _remove_empty(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            os.rmdir(parent)


def fingerprint_of(path: Path) -> Fingerprint | None:
    """The fingerprint of any file; None if it is not there."""
    try:
        return Fingerprint.of(os.lstat(path))
    except FileNotFoundError:
        return None
