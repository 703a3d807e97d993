"""A program that looks at one folder and tells as JSON what it found: it may hang, which its caller must not.

`python -m watcher.doctor.probe FOLDER [MOUNT_POINT]`. All that it makes stands in a hidden folder of its own, which
nothing of Watcher looks into, and goes again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from watcher import mounts
from watcher.doctor import tries
from watcher.intake.claims import new_id
from watcher.intake.presence import FOLDER as CLAIMS

PREFIX = ".watcher-doctor-"
# What a probe that was ended has left goes with the next, if it is as old as this and among the first names.
LEFT_SECONDS, NAMES = 3600, 10_000


@dataclass(frozen=True, slots=True)
class Tried:
    """What the file system can do; a text says why not."""

    renaming: str | None
    not_replacing: str | None
    linking: str | None
    events: str | None
    leasing: str | None
    locking: str | None
    syncing: str | None
    long_names: str | None
    odd_names: str | None
    cases_apart: bool
    forms_apart: bool
    keeps_rights: bool
    clock_offset: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found of a folder; `missing`, `unreadable` and `unwritable` say why, or are None."""

    missing: str | None
    kind: str | None = None
    network: bool = False
    away: str | None = None
    free: int = 0
    size: int = 0
    free_files: int | None = None
    files: int = 0
    claims_apart: bool = False
    unreadable: str | None = None
    unwritable: str | None = None
    owner: int = 0


def look(folder: Path, point: str | None) -> tuple[Facts, Tried | None]:
    """The facts of a folder whose share was mounted on `point`, as far as is known."""
    try:
        status = os.stat(folder)
    except OSError as fault:
        return Facts(missing=fault.strerror or str(fault)), None
    if not folder.is_dir():
        return Facts(missing="it is no folder"), None
    room = os.statvfs(folder)
    unreadable = _unreadable(folder)
    tried = _try(folder)
    away = point is not None and not mounts.is_point(point) and mounts.point_of(folder) is not None
    facts = Facts(
        missing=None,
        kind=mounts.kind_of(folder),
        network=mounts.is_network(folder),
        away=point if away else None,
        free=room.f_bavail * room.f_frsize,
        size=room.f_blocks * room.f_frsize,
        free_files=room.f_favail if room.f_files else None,
        files=room.f_files,
        claims_apart=_is_apart(folder / CLAIMS, status.st_dev),
        unreadable=unreadable,
        unwritable=tried if isinstance(tried, str) else None,
        owner=status.st_uid,
    )
    return facts, None if isinstance(tried, str) else tried


def _unreadable(folder: Path) -> str | None:
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, NAMES):
                if entry.name.startswith(PREFIX):
                    _tidy(Path(entry.path))
    except OSError as fault:
        return fault.strerror or str(fault)
    return None


def _tidy(left: Path) -> None:
    with suppress(OSError):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _is_apart(claims: Path, device: int) -> bool:
    with suppress(OSError):
        return os.stat(claims).st_dev != device
    return False


def _try(folder: Path) -> Tried | str:
    """What the file system can do; a text says why nothing can be written."""
    mine = folder / f"{PREFIX}{new_id()}"
    try:
        mine.mkdir(0o700)
        return Tried(
            renaming=tries.renaming(mine),
            not_replacing=tries.not_replacing(mine),
            linking=tries.linking(mine),
            events=tries.events(mine),
            leasing=tries.leasing(mine),
            locking=tries.locking(mine),
            syncing=tries.syncing(mine),
            long_names=tries.long_names(mine),
            odd_names=tries.odd_names(mine),
            cases_apart=tries.cases_apart(mine),
            forms_apart=tries.forms_apart(mine),
            keeps_rights=tries.keeps_rights(mine),
            clock_offset=tries.clock_offset(mine),
        )
    except OSError as fault:
        return fault.strerror or str(fault)
    finally:
        shutil.rmtree(mine, ignore_errors=True)


def main() -> None:
    facts, tried = look(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
    sys.stdout.write(json.dumps({"facts": asdict(facts), "tried": asdict(tried) if tried else None}) + "\n")


if __name__ == "__main__":
    main()
