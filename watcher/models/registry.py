"""The models of a home: numbered versions on disk, one of them current."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError, ModelMissing
from watcher.models import package as packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import keras

    from watcher.models.package import Package

CURRENT = "current"


class Registry:
    """`models/NAME/VERSION/` are packages; the file `models/NAME/current` holds the live one's number."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The models that have a current version."""
        try:
            return sorted(folder.name for folder in self.root.iterdir() if (folder / CURRENT).is_file())
        except FileNotFoundError:
            return []

    def has(self, name: str) -> bool:
        """Whether a model is here: one look at the disk, cheap enough to be asked for every scan."""
        return (self.root / name / CURRENT).is_file()

    def versions(self, name: str) -> list[int]:
        try:
            return sorted(int(entry.name) for entry in (self.root / name).iterdir() if entry.name.isdigit())
        except FileNotFoundError:
            return []

    def current(self, name: str) -> Package:
        """The live package of a model. Raises ModelMissing if there is none, ModelError if it is damaged."""
        path = self.root / name / CURRENT
        try:
            version = path.read_text("utf-8").strip()
        except FileNotFoundError:
            raise ModelMissing(missing(name)) from None
        if not version.isdigit():
            raise ModelError(f"{path}: should hold a version's number, not {version[:40]!r}")
        return packages.read(self.root / name / version)

    def all(self) -> Iterator[tuple[Package, bool]]:
        """Every package, by name and version, and whether it is the live one."""
        for name in self.names():
            live = self.current(name).card.version
            for version in self.versions(name):
                yield packages.read(self.root / name / str(version)), version == live

    def install(self, name: str, model: keras.Model, card: dict[str, Any], now: datetime) -> Package:
        """Stores a model as the next version and makes it current, atomically; `card` lacks name and version.

        A crash leaves the old version live, and at most a hidden folder that the next call removes.
        """
        home = self.root / name
        home.mkdir(parents=True, exist_ok=True)
        version = max(self.versions(name), default=0) + 1
        half = home / f".{version}.tmp"
        shutil.rmtree(half, ignore_errors=True)
        try:
            packages.write(half, model, {**card, "name": name, "version": version}, now)
            os.rename(half, home / str(version))
        except OSError as fault:
            shutil.rmtree(half, ignore_errors=True)
            raise ModelError(f"cannot store {name}/{version} in {home}: {fault.strerror or fault}") from fault
        self._make_current(name, version)
        return packages.read(home / str(version))

    def _make_current(self, name: str, version: int) -> None:
        half = self.root / name / f".{CURRENT}.tmp"
        half.write_text(f"{version}\n", "utf-8")
        os.replace(half, self.root / name / CURRENT)


def missing(name: str) -> str:
    """What to do about a model that is not here."""
    from watcher.models.builtin import BUILT_IN

    if name in BUILT_IN:
        return f"the model {name} is not here yet: run `watcher models fetch {name}`"
    return f"there is no model {name}: bring one with `watcher models import {name} PATH`"
