"""The claim folder: the pictures in work, each moved there by one atomic rename.

`inbox/.watcher/OWNER.ID.ATTEMPTS.slide-12%2Fcell_3.png` says all that a restart needs: whose the
picture is, under which id it is recorded, how often it was opened, and where it came from. So after
a crash the claim folder alone tells what is left to do. A path too long for one name stands in
folders of its own below `OWNER.ID.ATTEMPTS`.
"""

from __future__ import annotations

import base64
import errno
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Claim, Fingerprint, Seen
from watcher.intake.filters import is_temporary
from watcher.intake.inside import folder_inside, is_folder, make_folder, open_inside
from watcher.intake.moves import move_new, stands
from watcher.intake.names import LONGEST, tagged
from watcher.intake.presence import FOLDER, Presence
from watcher.intake.writers import is_being_written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENTRY = re.compile(r"(?P<owner>[a-z2-7]+)\.(?P<id>[a-z2-7]{16})\.(?P<attempts>\d+)(?:\.(?P<path>.+))?", re.DOTALL)


def new_id() -> str:
    """80 random bits in lower-case base 32: valid in file names everywhere, never seen before."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def short(claim_id: str) -> str:
    """The part of an id that is put into file names whose own name was taken."""
    return claim_id[:8]


class ClaimFolder:
    """The claims of one owner (a home) in an inbox that it may share with others."""

    def __init__(self, inbox: Path, owner: str, presence: Presence | None = None) -> None:
        self._inbox = inbox
        self._presence = presence or Presence(inbox)
        self._root = inbox / FOLDER
        self._owner = owner

    def make(self) -> None:
        """Makes the folder; its presence also tells a mounted inbox from an empty mount point. Raises OSError."""
        self._presence.begin()
        self._presence.must_be_there()
        self._must_be_ours()

    def is_there(self) -> bool:
        """Whether the folder stands where it was made: false while its share is away."""
        return self._presence.is_there()

    def must_be_there(self) -> None:
        """Raises OSError while the folder's share is away: what is not found then is not gone."""
        self._presence.must_be_there()

    def is_gone(self, claim: Claim) -> bool:
        """Whether somebody has taken the picture out of the folder. Raises OSError while the folder's share is away."""
        for _ in range(2):  # the share could have been away just between
            self.must_be_there()
            if stands(self.file(claim)):
                return False
        self.must_be_there()
        return True

    def _must_be_ours(self) -> None:
        """What is claimed must not go through a link, to where somebody else can put and take files."""
        if os.path.lexists(self._root) and not is_folder(self._root):
            raise NotADirectoryError(errno.ENOTDIR, "must be a folder, and no link: remove it", str(self._root))

    def file(self, claim: Claim) -> Path:
        """Where a claimed picture stands."""
        return self._inbox / self._inside(claim)

    def open(self, claim: Claim) -> int:
        """A handle to read a claimed picture. Raises OSError, also where a link has taken its place or a folder's."""
        return open_inside(self._inbox, self._inside(claim))

    def _inside(self, claim: Claim) -> str:
        """Where a claimed picture stands in the inbox."""
        return os.path.join(FOLDER, self._one_name(claim) or os.path.join(self._prefix(claim), claim.path))

    def claim(self, seen: Seen) -> Claim | None:
        """Takes the picture; None if it is still being written, changed after all, or is gone.

        Raises OSError if the inbox does not let us.
        """
        if is_being_written(self._inbox / seen.path):
            return None
        claim = Claim(new_id(), seen.path, seen.fingerprint)
        target = self.file(claim)
        self._presence.must_be_mounted()
        self._must_be_ours()
        try:
            self._make_folders(claim)
            folder, name = os.path.split(seen.path)
            with folder_inside(self._inbox, folder) as handle:
                os.rename(name, target, src_dir_fd=handle)
        except OSError as fault:
            self.clear(claim)
            if isinstance(fault, FileNotFoundError | NotADirectoryError) and self.is_there():
                return None
            raise
        try:
            if (found := fingerprint_of(target)) is None:
                self._presence.must_be_there()  # or it would be put back into an empty mount point
            if found != seen.fingerprint:
                self.put_back(claim)
                return None
        except OSError:
            pass  # it is claimed, whatever else is wrong: who reads it sees whether it has changed
        return claim

    def bring(self, claim: Claim, file: Path) -> None:
        """Moves a file from elsewhere here, as the picture of `claim`; may be repeated after a crash.

        Raises FileExistsError where an earlier try came as far as the copy.
        """
        target = self.file(claim)
        if self._one_name(claim) is None:
            with suppress(FileExistsError):
                self._entry(claim).mkdir()
            target.parent.mkdir(parents=True, exist_ok=True)
        move_new(file, target)

    def attempt(self, claim: Claim) -> Claim:
        """Counts, on disk, that the picture is about to be opened."""
        tried = claim.tried()
        os.rename(self._entry(claim), self._entry(tried))
        return tried

    def put_back(self, claim: Claim) -> None:
        """Returns the picture to the inbox, beside a new one of its name if there is one."""
        # The last is for a file that has taken the name of the picture's folder.
        for path in (claim.path, tagged(claim.path, short(claim.id)), tagged(os.path.basename(claim.path), claim.id)):
            target = self._inbox / path
            with suppress(FileExistsError, NotADirectoryError):
                make_folder(target.parent, self._inbox)
                move_new(self.file(claim), target)
                break
        self.clear(claim)

    def clear(self, claim: Claim) -> None:
        """Removes the folders that a long path needed, unless something is still in them."""
        if self._one_name(claim) is None:
            _remove_empty(self._entry(claim))

    def _make_folders(self, claim: Claim) -> None:
        """Makes those that a long path needs; never the claim folder, which an empty mount point lacks."""
        if self._one_name(claim) is None:
            self._entry(claim).mkdir()
            self.file(claim).parent.mkdir(parents=True, exist_ok=True)

    def recover(self) -> list[Claim]:
        """The claims that an earlier process of this owner left, least tried first."""
        return sorted(self._left(tidy=True), key=lambda claim: claim.attempts)

    def look(self) -> list[Claim]:
        """The owner's claims as they are. Changes nothing, so it may be asked beside a process at work."""
        return list(self._left(tidy=False))

    def strangers(self) -> list[str]:
        """Names in the claim folder that are nobody's claim, in order; what systems leave everywhere is not told of."""
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not (is_temporary(name) or self._is_claim(name)))

    def _is_claim(self, name: str) -> bool:
        entry = _ENTRY.fullmatch(name)
        return entry is not None and (entry["path"] is None or self._path(entry) is not None)

    def ids(self) -> list[str]:
        """The ids of all claims in the inbox that hold a picture, whoever owns them."""
        return [entry["id"] for entry in self._entries() if self._path(entry) is not None]

    def holdings(self) -> list[tuple[str, Claim]]:
        """All claims in the inbox, each with its owner. Changes nothing."""
        return [(entry["owner"], claim) for entry in list(self._entries()) if (claim := self._claim(entry))]

    def _left(self, *, tidy: bool) -> Iterator[Claim]:
        for entry in list(self._entries()):
            if entry["owner"] != self._owner:
                continue
            if claim := self._claim(entry):
                yield claim
            elif tidy and self._path(entry) is None:
                _remove_empty(self._root / entry[0])

    def _claim(self, entry: re.Match[str]) -> Claim | None:
        """What an entry holds; None if that is nothing."""
        path = self._path(entry)
        if path is None:
            return None
        inside = entry[0] if entry["path"] else os.path.join(entry[0], path)
        fingerprint = fingerprint_of(self._root / inside)
        return Claim(entry["id"], path, fingerprint, int(entry["attempts"])) if fingerprint else None

    def _entries(self) -> Iterator[re.Match[str]]:
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return
        yield from filter(None, map(_ENTRY.fullmatch, names))

    def _path(self, entry: re.Match[str]) -> str | None:
        """Where the picture that an entry holds came from; None for one that holds none."""
        if entry["path"]:
            path = entry["path"].replace("%2F", "/").replace("%25", "%")
            # Whoever can write here must not have files moved to anywhere else.
            return None if {"", ".", ".."} & set(path.split("/")) else path
        folder = self._root / entry[0]
        for parent, _, files in os.walk(folder) if is_folder(folder) else ():
            if files:
                return os.path.relpath(os.path.join(parent, files[0]), folder)
        return None

    def _entry(self, claim: Claim) -> Path:
        """The one file or folder that is renamed when an attempt is counted."""
        return self._root / (self._one_name(claim) or self._prefix(claim))

    def _one_name(self, claim: Claim) -> str | None:
        """The name that says everything, if it is short enough, also when attempts have two digits."""
        flat = claim.path.replace("%", "%25").replace("/", "%2F")
        if len(os.fsencode(f"{self._owner}.{claim.id}.00.{flat}")) > LONGEST:
            return None
        return f"{self._prefix(claim)}.{flat}"

    def _prefix(self, claim: Claim) -> str:
        return f"{self._owner}.{claim.id}.{claim.attempts}"


def _remove_empty(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False) if is_folder(folder) else ():
        with suppress(OSError):
            os.rmdir(parent)


def fingerprint_of(path: Path) -> Fingerprint | None:
    """The fingerprint of any file; None if it is not there."""
    try:
        return Fingerprint.of(os.lstat(path))
    except FileNotFoundError:
        return None
