"""What tests of backups share: a home with all that one holds, and a place to put it."""

from __future__ import annotations

import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import homes
import stocked

from watcher.backup.making import Made, make
from watcher.home import Home

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fill(home: Home) -> Home:
    """A model with two versions, a job, a correction, and what no backup needs."""
    for version in (1, 2):
        put(home.models / f"tiny/{version}/model.json", b"{}")
        put(home.models / f"tiny/{version}/model.keras", os.urandom(3000))
    put(home.models / "tiny/current", b"2\n")
    put(home.models / "tiny/.training-1/cache", b"x" * 1000)
    put(home.models / "tiny/.lock", b"")
    put(home.jobs / "nightly.toml", b'model = "tiny"\n')
    put(home.jobs / "log/nightly-1.log", b"it went well\n")
    put(home.corrections / "tiny/red/odd\nname\\.png", homes.picture())
    put(home.corrections / "tiny/red/half.png.part", b"x")
    for seed, path in enumerate(("a.png", "s/b.png")):
        stocked.add(home, path, stocked.encoded(seed))
    stocked.add_failed(home, "bad.png")
    return home


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def made(home: Home, place: Path, **more: bool) -> Made:
    return make(home, place, NOON, **more)


def names(file: Path) -> set[str]:
    with tarfile.open(file) as tar:
        return set(tar.getnames())
