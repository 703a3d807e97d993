"""Finds the original that an annotated copy was drawn of, by its name and where that leaves a doubt by its pixels."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Fingerprint
from watcher.intake.claims import short
from watcher.intake.filters import has_picture_ending
from watcher.intake.inside import folder_inside, open_inside
from watcher.intake.names import clean
from watcher.service.named import TAG, named
from watcher.vision.encode import ENDINGS, annotated_name
from watcher.vision.likeness import ALIKE, unlikeness

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from watcher.home import Home
    from watcher.results import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An original, where it stands, and under which path it was dropped, clean."""

    place: Path
    path: str
    size: int
    sha256: str
    kept: str | None = None


@dataclass(slots=True)
class Originals:
    """The originals of one home. `forget` after each change of the rows, by which one original is not given twice."""

    home: Home
    database: Database
    _taken: set[Path] = field(default_factory=set)
    _listed: dict[Path, list[str]] = field(default_factory=dict)

    def of(self, copy: Path, claim: str) -> Original | None:
        """The original of this copy, which no row names yet; None if it cannot be told. Raises OSError."""
        home = self.home
        inside = copy.relative_to(home.outbox)
        base = _without(inside.name, claim)
        found = self._named_like(home.done / inside.parent, base, claim)
        found += [home.done / name for name in self._names(home.done) if claim in name and home.done != copy.parent]
        free = self._free(found)
        sure = [place for place in free if place.name != _without(place.name, claim) or claim in place.name]
        if not sure and len(free) == 1 and self._copies_like(copy.parent, base) == 1:
            sure = free
        place = sure[0] if sure else self._most_alike(copy, free)
        if place is not None:
            return self._original(place, home.done, claim)
        if home.settings.intake.originals != "keep":
            return None
        here = self._not_kept_yet(self._named_like(home.inbox / inside.parent, base, claim))
        place = self._most_alike(copy, here)
        return None if place is None else self._original(place, home.inbox, claim)

    def forget(self) -> None:
        """Whatever was found is in the rows now."""
        self._taken.clear()

    def _named_like(self, folder: Path, base: str, claim: str) -> list[Path]:
        """What is called as the picture must have been whose copy is called `base`, or has a name of this claim's."""
        ending: Literal[".jpg", ".png"] = ".png" if base.lower().endswith(ENDINGS["png"]) else ".jpg"
        return [
            folder / name
            for name in self._names(folder)
            if annotated_name(bare := _without(name, claim), ending) == base or bare != name
        ]

    def _copies_like(self, folder: Path, base: str) -> int:
        """How many copies of pictures of one name there are, each beyond the first with a part of its claim's id."""
        key = folder / "*counted"
        if key not in self._listed:
            self._listed[key] = self._names(folder)
        return Counter(TAG.sub("", name) for name in self._listed[key])[TAG.sub("", base)]

    def _names(self, folder: Path) -> list[str]:
        """The pictures in a folder. Those of the last few folders are remembered."""
        if folder not in self._listed:
            if len(self._listed) > 8:
                self._listed.clear()
            root = self.home.folder_of(folder / "_")
            names: list[str] = []
            with suppress(FileNotFoundError, NotADirectoryError):
                below = os.path.relpath(folder, root)
                with folder_inside(root, "" if below == "." else below, readable=True) as handle:
                    names = os.listdir(handle)
            self._listed[folder] = [name for name in names if has_picture_ending(name)]
        return self._listed[folder]

    def _free(self, places: list[Path]) -> list[Path]:
        once = [place for place in dict.fromkeys(places) if place not in self._taken]
        rows = named(self.home, self.database, self.home.done, once)
        return [place for place in once if place not in rows]

    def _not_kept_yet(self, places: list[Path]) -> list[Path]:
        prints = {place: str(Fingerprint.of(os.lstat(place))) for place in places if place not in self._taken}
        paths = {place: _dropped(place, self.home.inbox, None) for place in prints}
        known = self.database.kept(paths.values())
        return [place for place, kept in prints.items() if kept not in known.get(paths[place], ())]

    def _most_alike(self, copy: Path, places: list[Path]) -> Path | None:
        """The one whose pixels the copy shows."""
        if not places:
            return None
        most, drawn = self.home.settings.intake.max_megapixels, copy.read_bytes()
        unlike = {place: unlikeness(drawn, self._read(place), most) for place in places}
        best = min(unlike, key=lambda place: unlike[place])
        return best if unlike[best] < ALIKE else None

    def _read(self, place: Path) -> bytes:
        root = self.home.folder_of(place)
        with open(open_inside(root, os.path.relpath(place, root)), "rb", closefd=True) as file:
            return file.read()

    def _original(self, place: Path, folder: Path, claim: str) -> Original:
        self._taken.add(place)
        size, sha256 = self.measure(place)
        kept = str(Fingerprint.of(os.lstat(place))) if folder == self.home.inbox else None
        return Original(place=place, path=_dropped(place, folder, claim), size=size, sha256=sha256, kept=kept)

    def measure(self, place: Path) -> tuple[int, str]:
        """How many bytes a file has, and their SHA-256. Raises OSError."""
        root = self.home.folder_of(place)
        with open(open_inside(root, os.path.relpath(place, root)), "rb", closefd=True) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest


def _dropped(place: Path, folder: Path, claim: str | None) -> str:
    """The path below the inbox under which a file was dropped that has kept its name, but for what was added to it."""
    inside = place.relative_to(folder)
    name = TAG.sub("", inside.name) if claim is None else _without(inside.name, claim)
    return clean(str(inside.with_name(name)))


def _without(name: str, claim: str) -> str:
    """The name without the part of its claim's id that it got because its own was taken."""
    for tag in (f"~{claim}", f"~{short(claim)}"):
        stem, ending = os.path.splitext(name)
        if stem.endswith(tag) and stem != tag:
            return stem.removesuffix(tag) + ending
    return name
