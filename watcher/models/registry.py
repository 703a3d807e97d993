"""The models of a home: numbered versions on disk, one of them current."""

from __future__ import annotations

import contextlib
import fcntl
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
            return sorted(int(entry.name) for entry in (self.root / name).iterdir() if _is_version(entry.name))
        except FileNotFoundError:
            return []

    def current(self, name: str) -> Package:
        """The live package of a model. Raises ModelMissing if there is none, ModelError if it is damaged."""
        return self._read(name, self._live(name))

    def _live(self, name: str) -> int:
        path = self.root / name / CURRENT
        try:
            version = path.read_text("utf-8").strip()
        except FileNotFoundError:
            raise ModelMissing(missing(name)) from None
        except (OSError, UnicodeDecodeError) as fault:
            raise ModelError(f"{path}: cannot be read: {packages.first_line(fault)}") from fault
        if not _is_version(version):
            raise ModelError(f"{path}: should hold a version's number, not {version[:40]!r}")
        return int(version)

    def all(self) -> Iterator[tuple[Package, bool] | ModelError]:
        """Every package, by name and version, and whether it is the live one; for a damaged one its fault."""
        for name in self.names():
            live = None
            try:
                live = self._live(name)
            except ModelError as fault:
                yield fault
            for version in self.versions(name):
                try:
                    yield self._read(name, version), version == live
                except ModelError as fault:
                    yield fault

    def _read(self, name: str, version: int) -> Package:
        package = packages.read(self.root / name / str(version))
        if (package.card.name, package.card.version) != (name, version):
            raise ModelError(
                f"{package.folder / packages.CARD}: is the card of {package.id}; "
                f"bring a package from elsewhere with `watcher models import {name} PATH`"
            )
        return package

    def install(self, name: str, model: keras.Model, card: dict[str, Any], now: datetime) -> Package:
        """Stores a model as the next version and makes it current, atomically; `card` lacks name and version.

        A crash leaves the old version live, and at most a hidden folder that the next call removes.
        """
        home = self.root / name
        try:
            home.mkdir(parents=True, exist_ok=True)
            with _alone(home):
                version = max(self.versions(name), default=0) + 1
                self._store(home, model, {**card, "name": name, "version": version}, now)
                self._make_current(home, version)
        except OSError as fault:
            raise ModelError(f"cannot store {name} in {home}: {fault.strerror or fault}") from fault
        return self._read(name, version)

    def _store(self, home: Path, model: keras.Model, card: dict[str, Any], now: datetime) -> None:
        half = home / f".{card['version']}.tmp"
        shutil.rmtree(half, ignore_errors=True)
        try:
            packages.write(half, model, card, now)
            os.rename(half, home / str(card["version"]))
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise

    def _make_current(self, home: Path, version: int) -> None:
        half = home / f".{CURRENT}.tmp"
        half.write_text(f"{version}\n", "utf-8")
        os.replace(half, home / CURRENT)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """The daemon and a command may fetch the same model at a time: they take turns."""
    handle = os.open(home / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a share without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit()


def missing(name: str) -> str:
    """What to do about a model that is not here."""
    from watcher.models.builtin import BUILT_IN

    if name in BUILT_IN:
        file = BUILT_IN[name].weights_file
        offline = f"; without internet, `watcher models import {name} {file}`" if file else ""
        return f"the model {name} is not here yet: run `watcher models fetch {name}`{offline}"
    return f"there is no model {name}: bring one with `watcher models import {name} PATH`"
