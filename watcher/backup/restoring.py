"""From a backup to a home. Nothing is ever written over, and the settings come last: until then it is no home.

So whatever stops it, the same command can be given again, and no daemon can start on half a home.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from watcher.backup.archive import CHUNK, FACTS, SUMS, Reading, members, sums
from watcher.backup.contents import ELSEWHERE, FOLDERS, database_name, folder_of, name_of
from watcher.errors import HomeError, SettingsError
from watcher.home import CLOSED, OPEN, SETTINGS, Home, exists
from watcher.intake.inside import make_folder
from watcher.intake.moves import move_new, stands, sync
from watcher.results import connect
from watcher.service.room import take_room
from watcher.settings import load

if TYPE_CHECKING:
    from watcher.settings import Settings


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose every digest is right: what it says of itself, the home's settings, digests by name."""

    file: Path
    facts: dict[str, Any]
    settings: Settings
    digests: dict[str, str]


@dataclass(slots=True)
class Restored:
    """How many files were put back, and those that were there already and are others: they stay."""

    files: int = 0
    different: list[Path] = field(default_factory=list)


def read(file: Path) -> Backup:
    """Reads a backup to its end. Raises HomeError where it is none or damaged, SettingsError, OSError."""
    found: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for member, content in members(tar):
                if member.name in (FACTS, SETTINGS, SUMS):
                    kept[member.name] = content.read()
                    found[member.name] = hashlib.sha256(kept[member.name]).hexdigest()
                else:
                    found[member.name] = _digest(content)
        facts, listed = json.loads(kept[FACTS]), sums(kept[SUMS].decode("utf-8", "surrogateescape"))
    except (tarfile.TarError, ValueError, KeyError) as fault:
        raise HomeError(f"{file} is no whole backup of Watcher ({type(fault).__name__}: {fault})") from None
    del found[SUMS]
    if wrong := sorted(name for name in found.keys() | listed.keys() if found.get(name) != listed.get(name)):
        raise HomeError(f"{file} is damaged: {wrong[0]} is not what was backed up; take another backup")
    return Backup(file, facts, _settings(file, kept.get(SETTINGS)), found)


def restore(backup: Backup, root: Path) -> Restored:
    """Makes a home at `root`, which must not be one, of all that a backup holds.

    Folders outside the home go where the settings say; they must be there. Raises HomeError and OSError.
    """
    home = Home(root, backup.settings)
    _check(backup, home)
    done = Restored()
    make_folder(root, mode=CLOSED)
    last: list[tuple[Path, bytes, int]] = []
    with tarfile.open(backup.file, "r:") as tar:
        for member, content in members(tar):
            if member.name in (FACTS, SUMS):
                continue
            target = _target(home, member.name)
            if member.name == SETTINGS:
                last.append((target, content.read(), member.mode & CLOSED))
            elif not stands(target):
                _put(target, content, member, CLOSED if _decides(home, target) else OPEN)
                done.files += 1
            elif not target.is_file() or _digest_of(target) != backup.digests[member.name]:
                done.different.append(target)
    for folder in home.all_folders:
        if folder.is_relative_to(root):
            make_folder(folder, mode=CLOSED if folder in (home.jobs, home.models) else OPEN)
    if not stands(home.lock):
        take_room(home)
    for target, data, mode in last:
        half = _half(target)
        half.write_bytes(data)
        half.chmod(mode & 0o777)
        sync(half)
        move_new(half, target)
        sync(root)
    done.files += len(last)
    return done


def _check(backup: Backup, home: Home) -> None:
    """Raises HomeError before anything is made where it would mix two homes, or what is needed is not there."""
    if exists(home.root):
        raise HomeError(f"{home.root} is a home already: restore into another folder, or move that one away first")
    if stranger := _stranger(backup, home):
        raise HomeError(
            f"{home.root} holds other things, as {stranger}: say with --home NEW which folder is to be the home"
        )
    for kind in FOLDERS:
        folder = folder_of(home, kind)
        outside = name_of(home, kind).startswith(f"{ELSEWHERE}/")
        if outside and not folder.is_dir():
            raise HomeError(
                f"{folder}, the folder {kind} by the backup's settings, is not there: mount or make it first"
            )
    file = connect.target(backup.settings.database.url, home.root).file
    if file is None:
        return
    if stands(file.with_name(f"{file.name}-wal")):
        raise HomeError(f"{file}-wal is there, the log of another database: move it away with its database first")
    name = database_name(home, file)
    if stands(file) and (name not in backup.digests or _digest_of(file) != backup.digests[name]):
        raise HomeError(f"{file} is there already, and holds other results: move it away first")


def _stranger(backup: Backup, home: Home) -> str | None:
    """A name in the folder that no home would have. Pictures may be there, and what a try that was stopped has left."""
    if not home.root.is_dir():
        return None
    own = {name.partition("/")[0] for name in backup.digests}
    own |= {folder.relative_to(home.root).parts[0] for folder in home.all_folders if folder.is_relative_to(home.root)}
    names = sorted(entry.name for entry in home.root.iterdir())
    return next((name for name in names if name not in own and not name.startswith(".watcher")), None)


def _target(home: Home, name: str) -> Path:
    """Where a file of the backup belongs."""
    for kind in FOLDERS:
        if name.startswith(f"{name_of(home, kind)}/"):
            return folder_of(home, kind) / name.removeprefix(f"{name_of(home, kind)}/")
    file = connect.target(home.settings.database.url, home.root).file
    if file is not None and name == database_name(home, file):
        return file
    return home.root / name


def _decides(home: Home, target: Path) -> bool:
    """Whether who may write there decides what the daemon does."""
    return target.is_relative_to(home.jobs) or target.is_relative_to(home.models)


def _put(target: Path, content: IO[bytes], member: tarfile.TarInfo, mode: int) -> None:
    make_folder(target.parent, mode=mode)
    half = _half(target)
    with half.open("xb") as file:
        shutil.copyfileobj(content, file, CHUNK)
        file.flush()
        os.fsync(file.fileno())
    half.chmod(member.mode & mode)
    os.utime(half, (member.mtime, member.mtime))
    move_new(half, target)
    sync(target.parent)


def _half(target: Path) -> Path:
    """A hidden name, free: what an earlier try left there goes."""
    half = target.with_name(".watcher-restoring.tmp")
    half.unlink(missing_ok=True)
    return half


def _settings(file: Path, text: bytes | None) -> Settings:
    if text is None:
        raise HomeError(f"{file} is no whole backup of Watcher: it lacks {SETTINGS}")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, SETTINGS)
        path.write_bytes(text)
        try:
            return load(path)
        except SettingsError as fault:
            raise SettingsError(line.replace(str(path), f"{file}: {SETTINGS}") for line in fault.faults) from None


def _digest(content: IO[bytes]) -> str:
    reading = Reading(content)
    while reading.read(CHUNK):
        pass
    return reading.sha256


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)
