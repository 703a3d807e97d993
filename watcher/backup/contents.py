"""What is in a backup, and under which names: those that it has in a home, so that an unpacked backup is one."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.home import SETTINGS
from watcher.intake.filters import is_hidden_folder, is_temporary
from watcher.models.history import HISTORY
from watcher.models.registry import CURRENT
from watcher.service.identity import NAME as IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.home import Home

# What stands in a backup for folders that the settings place outside the home.
ELSEWHERE = "elsewhere"
# Small, and nobody could make them again. Pictures are ordinary files, which other programs copy better.
FOLDERS = ("jobs", "models", "corrections")
# Of a model, beside its versions.
SWITCHES = (HISTORY, CURRENT)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a home, and its name in a backup, with slashes."""

    name: str
    path: Path
    data: bytes | None = None  # what was in it when it was listed; None for one that nobody changes

    @property
    def size(self) -> int:
        """Bytes; 0 where it is gone."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def parts(home: Home) -> Iterator[Part]:
    """The files of a home that a backup holds, but for the database. Raises OSError where a folder cannot be read."""
    for name in (SETTINGS, IDENTITY):
        if (home.root / name).is_file():
            yield Part(name, home.root / name)
    switches = _switches(folder_of(home, "models"))
    for kind in FOLDERS:
        folder = folder_of(home, kind)
        # Only people of trust write to models and jobs, and links are a way to keep large ones elsewhere.
        for path in _files(folder, links=kind != "corrections"):
            known = kind != "models" or path.name not in SWITCHES or path.parent.parent != folder or path in switches
            if known:  # else the model was not there a moment ago
                yield Part(f"{name_of(home, kind)}/{path.relative_to(folder)}", path, switches.get(path))


def _switches(models: Path) -> dict[Path, bytes]:
    """Which version of each model is current, and was: read before the versions are listed.

    A version is stored before it becomes current, so what is listed afterwards has it. The history comes before what it
    may lag behind.
    """
    found = {}
    for name in SWITCHES:
        for path in sorted(models.glob(f"*/{name}")):
            with suppress(FileNotFoundError, IsADirectoryError):
                found[path] = path.read_bytes()
    return found


def folder_of(home: Home, kind: str) -> Path:
    """The folder of a home that the settings call `kind`."""
    folder: str = getattr(home.settings.folders, kind)
    return home.root / folder


def name_of(home: Home, kind: str) -> str:
    """What a folder is called in a backup."""
    return _inside(home, folder_of(home, kind)) or f"{ELSEWHERE}/{kind}"


def database_name(home: Home, file: Path) -> str:
    """What an SQLite database is called in a backup."""
    return _inside(home, file) or f"{ELSEWHERE}/{file.name}"


def _inside(home: Home, path: Path) -> str | None:
    """The path from the home to what lies in it; None for what does not."""
    for root, place in ((home.root, Path(os.path.normpath(path))), (home.root.resolve(), path.resolve())):
        if place.is_relative_to(root) and place != root:
            return str(place.relative_to(root))
    return None


def _files(folder: Path, *, links: bool) -> Iterator[Path]:
    """Regular files, in order; what is hidden is somebody's unfinished work, or a lock."""
    entered = set()
    for here, below, names in os.walk(folder, followlinks=links, onerror=_refuse):
        real = os.path.realpath(here)
        if real in entered:
            below.clear()  # a link led back
            continue
        entered.add(real)
        below[:] = sorted(name for name in below if not is_hidden_folder(name))
        for name in sorted(names):
            path = Path(here, name)
            if not is_temporary(name) and path.is_file() and (links or not path.is_symlink()):
                yield path


def _refuse(fault: OSError) -> None:
    if not isinstance(fault, FileNotFoundError):
        raise fault
