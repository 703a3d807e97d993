"""The models of a home: numbered versions on disk, one of them current."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError, ModelMissing
from watcher.models import history
from watcher.models import package as packages
from watcher.models.durable import replace_text, sync, sync_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    import keras

    from watcher.models.package import Card, Package

    Extras = Callable[[Card], Mapping[str, bytes]]

CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Switch:
    """What is current now, and what was before; `before` is None if nothing was, or nobody can tell."""

    package: Package
    before: int | None

    @property
    def changed(self) -> bool:
        return self.before != self.package.card.version


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

    def mark(self, name: str) -> object:
        """Something that changes when the current version does, or its files; two or three looks at the disk."""
        try:
            folder = self.root / name / str(self._live(name))
        except ModelError as fault:
            return str(fault)
        return (str(folder), *(_look(folder / file) for file in (packages.CARD, packages.MODEL)))

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

    def read(self, name: str, version: int) -> Package:
        """One version of a model, current or not. Raises ModelMissing, or ModelError if its card is damaged."""
        versions = self.versions(name)
        if not versions:
            raise ModelMissing(missing(name))
        if version not in versions:
            raise ModelMissing(f"there is no version {version} of {name}: it has {_listed(versions)}")
        return self._read(name, version)

    def _read(self, name: str, version: int) -> Package:
        package = packages.read(self.root / name / str(version))
        if (package.card.name, package.card.version) != (name, version):
            raise ModelError(
                f"{package.folder / packages.CARD}: is the card of {package.id}; "
                f"bring a package from elsewhere with `watcher models import {name} PATH`"
            )
        return package

    def install(
        self,
        name: str,
        model: keras.Model,
        card: dict[str, Any],
        now: datetime,
        *,
        promote: bool = True,
        first: bool = True,
        half: bool = False,
        extras: Extras | None = None,
    ) -> Package:
        """Stores a model as the next version and makes it current, atomically; `card` lacks name and version.

        With `promote=False` it becomes current only if nothing is, and with `first=False` not even then. `half`:
        see `package.write`. `extras` is given the finished card and gives further files of the package, by name. A
        crash leaves the old version live, and at most a hidden folder that the next call removes. Raises ModelError.
        """

        def fill(folder: Path, version: int) -> None:
            package = packages.write(folder, model, {**card, "name": name, "version": version}, now, half=half)
            for file, content in (extras(package.card) if extras else {}).items():
                with (folder / file).open("xb") as new:  # never the model or its card
                    new.write(content)

        return self._add(name, fill, now, promote=promote, first=first)

    def install_package(
        self, name: str, package: Package, now: datetime, *, promote: bool = True, **changes: Any
    ) -> Package:
        """Stores a copy of a whole package from elsewhere, all its files, as the next version of `name`.

        `changes` are made to its card. Needs no Keras. Raises ModelError if it is damaged.
        """

        def fill(folder: Path, version: int) -> None:
            packages.copy(package, folder, **changes, name=name, version=version)

        return self._add(name, fill, now, promote=promote, first=True)

    def promote(self, name: str, version: int, now: datetime) -> Switch:
        """Makes a version current, once its card and its model's digest are found to be right.

        Raises ModelError, and what was current stays, if it is not there or damaged.
        """
        with self._writing(name):
            return self._switch(name, self.read(name, version), "promoted", now)

    def rollback(self, name: str, now: datetime) -> Switch:
        """Goes back to what was current before the current version; again, to what was before that.

        Versions that were removed since are passed over. Raises ModelError if there is nothing to go back to, or
        that is damaged; what was current stays.
        """
        with self._writing(name):
            live, versions = self._live(name), self.versions(name)
            recorded = history.earlier(history.read(self.root / name / history.HISTORY), live)
            if target := next((past for past in reversed(recorded) if past in versions and past != live), None):
                return self._switch(name, self._read(name, target), "rolled-back", now)
        if others := [version for version in versions if version != live]:
            raise ModelError(
                f"nothing is known to have been current before {name}/{live}: choose one of {_listed(others)} with "
                f"`watcher models promote {name} VERSION`"
            )
        raise ModelError(f"{name}/{live} is the only version here, with nothing to go back to: {another(name)}")

    def _add(
        self, name: str, fill: Callable[[Path, int], None], now: datetime, *, promote: bool, first: bool
    ) -> Package:
        home = self.root / name
        with self._writing(name, make=True):
            # A number that was in use once is not given again, for the results speak of it.
            used = [entry.version for entry in history.read(home / history.HISTORY)]
            version = max([*self.versions(name), *used], default=0) + 1
            self._store(home, version, fill)
            if promote or (first and not self.has(name)):
                self._make_current(name, version, "installed", now)
        return self._read(name, version)

    def _store(self, home: Path, version: int, fill: Callable[[Path, int], None]) -> None:
        half = home / f".{version}.tmp"
        shutil.rmtree(half, ignore_errors=True)
        try:
            fill(half, version)
            _close(half, home.stat().st_mode)
            sync_all(half)
            os.rename(half, home / str(version))
            sync(home)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise

    def _switch(self, name: str, package: Package, how: history.How, now: datetime) -> Switch:
        packages.check_digest(package)
        return Switch(package, self._make_current(name, package.card.version, how, now))

    def _make_current(self, name: str, version: int, how: history.How, now: datetime) -> int | None:
        """Gives what was current before."""
        home, before = self.root / name, None
        with contextlib.suppress(ModelError):  # what cannot be read is replaced by what can
            before = self._live(name)
        if before != version:
            replace_text(home / CURRENT, f"{version}\n")
            with contextlib.suppress(OSError):  # it is done all the same, and the next switch notes it
                history.note(home / history.HISTORY, before, version, how, now)
        return before

    @contextlib.contextmanager
    def _writing(self, name: str, *, make: bool = False) -> Iterator[None]:
        """The daemon and a command may change the same model at a time: they take turns."""
        home = self.root / name
        try:
            if make:
                home.mkdir(0o755, parents=True, exist_ok=True)
            elif not home.is_dir():
                raise ModelMissing(missing(name))
            with _alone(home / ".lock"):
                yield
        except OSError as fault:
            raise ModelError(f"cannot store {name} in {home}: {fault.strerror or fault}") from fault


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with contextlib.suppress(OSError):  # a share without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _close(package: Path, rights: int) -> None:
    """Lets others read what only its owner could enter until now: with the rights of the folder around it."""
    with contextlib.suppress(PermissionError):  # a share that keeps no rights
        for file in package.iterdir():
            file.chmod(file.stat().st_mode & 0o644)
        package.chmod(package.stat().st_mode & stat.S_ISGID | rights & 0o755)


def _look(path: Path) -> object:
    try:
        seen = path.stat()
    except OSError as fault:
        return fault.errno
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"


def another(name: str) -> str:
    """How to get a version of a model besides those that are here."""
    return f"train another with `watcher train FOLDER --model {name}`, or bring one with `watcher models import {name} PATH`"


def missing(name: str) -> str:
    """What to do about a model that is not here."""
    from watcher.models.builtin import BUILT_IN, fetchable

    if name in fetchable():
        file = BUILT_IN[name].weights_file if name in BUILT_IN else None
        offline = f"; without internet, `watcher models import {name} {file}`" if file else ""
        return f"the model {name} is not here yet: run `watcher models fetch {name}`{offline}"
    return (
        f"there is no model {name}: bring one with `watcher models import {name} PATH`, or train it with "
        f"`watcher train FOLDER --model {name}`"
    )
