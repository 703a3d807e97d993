"""The way of an original from where it was put away back into the inbox, each step of which can be repeated.

It leads through the claim folder, under the claim's old id and an owner of its own, which no daemon takes for its
own. There a picture has a name that nobody else can have, so that after a crash it is never taken for another.
"""

from __future__ import annotations

import filecmp
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.claims import ClaimFolder, fingerprint_of, short
from watcher.intake.inside import reached
from watcher.intake.moves import stands, sync
from watcher.intake.names import clean, fitting, tagged
from watcher.intake.presence import Presence
from watcher.service import review
from watcher.service.identity import identity
from watcher.service.places import is_copy_of
from watcher.service.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from watcher.home import Home
    from watcher.results.superseding import Outdated


def owner_again(home: Home) -> str:
    """Whose claims they are that are on their way back into the inbox."""
    return f"again{identity(home.root)}"


class WayBack:
    """Finds the originals of recorded pictures and puts them back in line."""

    def __init__(self, home: Home) -> None:
        self._home = home
        shares = Shares(home)
        presence = Presence(home.inbox, lambda: shares.must_be_there(home.inbox))
        self._claims = ClaimFolder(home.inbox, owner_again(home), presence)

    @property
    def is_open(self) -> bool:
        """Whether the inbox is there, and no empty mount point."""
        return self._claims.is_there()

    def must_be_open(self, rows: Iterable[Outdated]) -> None:
        """Raises OSError while a folder that their files lie in is away: what cannot be seen there is not gone."""
        shares = Shares(self._home)
        places = {self._home.root / path for row in rows for path in (row.original_path, row.outbox_path) if path}
        for folder in {self._home.inbox, *map(self._home.folder_of, places)}:
            shares.must_be_there(folder)

    def has(self, row: Outdated, owners: Mapping[str, int]) -> bool:
        """Whether the original of a row is where the row says, or on its way already."""
        if row.kept is not None:
            return find_kept(self._home.inbox, row.path, row.claim, row.kept) is not None
        return stands(self._claims.file(_claim(row))) or self._place(row, owners) is not None

    def go(self, row: Outdated, owners: Mapping[str, int]) -> None:
        """Puts an original in line, once its old annotated copy is gone. A kept one stands in line already.

        The copy goes first, so that its name is free for the new one.
        """
        claim = _claim(row)
        if (place := self._place(row, owners)) is not None:
            bring_back(self._claims, claim, place)
        self._remove_copy(row)
        if stands(self._claims.file(claim)):
            self._claims.put_back(claim)

    def sync(self, rows: Iterable[Outdated]) -> None:
        """Waits until all that `go` has moved and removed is so on the disk."""
        places = {self._home.inbox}
        for row in rows:
            originals = [row.original_path] if row.original_path and row.kept is None else []
            places |= {(self._home.root / path).parent for path in (*originals, *filter(None, [row.outbox_path]))}
            places.add((self._home.inbox / row.path).parent)
        for folder in places:
            with suppress(FileNotFoundError, NotADirectoryError):
                sync(folder)

    def _place(self, row: Outdated, owners: Mapping[str, int]) -> Path | None:
        """Where the original was put away, if it still stands there and no later picture has got its name."""
        if row.original_path is None or row.kept is not None or owners.get(row.original_path) != row.id:
            return None
        place = self._home.root / row.original_path
        folder = self._home.folder_of(place)
        if not reached(folder, place):  # behind a link is what we have not put there
            return None
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(place)
            mended = folder == self._home.failed  # a failed picture may have been, where it stands
            if stat.S_ISREG(status.st_mode) and (mended or row.size in {None, status.st_size}):
                return place
        return None

    def _remove_copy(self, row: Outdated) -> None:
        """Whatever else has the copy's name by now stays."""
        review.retract(self._home, _claim(row))
        if row.outbox_path is None:
            return
        copy = self._home.root / row.outbox_path
        with suppress(FileNotFoundError, NotADirectoryError):
            if is_copy_of(row.claim, self._home.folder_of(copy), copy):
                copy.unlink()


def bring_back(claims: ClaimFolder, claim: Claim, place: Path) -> None:
    """Takes an original into the claim folder; may be repeated after a crash. Raises OSError."""
    try:
        claims.bring(claim, place)
    except FileExistsError:  # an earlier try came as far as the copy
        if filecmp.cmp(place, claims.file(claim), shallow=False):
            sync(claims.file(claim))  # it may not be on the disk yet
            sync(claims.file(claim).parent)
            place.unlink()


def find_kept(inbox: Path, path: str, claim: str, kept: str) -> Path | None:
    """An original that was kept: under its own name, or one that it got beside a new picture; None if it is neither."""
    for name in (path, tagged(path, short(claim))):
        for raw in _raw(inbox, name):
            with suppress(NotADirectoryError):
                if str(fingerprint_of(inbox / raw)) == kept:
                    return inbox / raw
    return None


def _claim(row: Outdated) -> Claim:
    """The id is of the old arrival: it makes the name unique, and is recorded, so that no count takes it for new."""
    return Claim(row.claim, fitting(row.path), Fingerprint(0, 0, row.size or 0, 0))


def _raw(inbox: Path, path: str) -> Iterator[str]:
    """The paths on disk whose clean form is `path`: mostly itself."""
    yield path
    if "%" not in path:
        return
    found = [""]
    for part in path.split(os.sep):
        found = [
            os.path.join(folder, name) for folder in found for name in _names(inbox / folder) if clean(name) == part
        ]
    yield from found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
