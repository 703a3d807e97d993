"""A results database of any size, with pictures as a laboratory would have them. For `five_million.py`."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import create_engine

from watcher.results import migrations
from watcher.results.tables import utc_text

YEAR = timedelta(days=365)
CELLS, FRAMES, LOOSE = 500, 120, 40  # pictures of a slide, of a camera at a time, and in no group
CHUNK = 40_000
BAD = 2  # a version of malaria's
VERSIONS = [
    *((number, "malaria", number, 0.8) for number in range(1, 5)),
    (5, "xception", 1, None),
    (6, "galaxies", 1, 0.7),
]
LABELS = [f"label {number:03}" for number in range(1000)]
GALAXIES = ("elliptical", "merger", "spiral")
IMAGES = (
    "INSERT INTO images (id, claim, name, path, grp, sha256, size, width, height, model_version_id, state, reason,"
    " received_at, finished_at, outbox_path, original_path, attempts) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)"
)

Scored = list[tuple[str, float]]
Row = tuple[tuple[Any, ...], int, Scored]


def make(file: Path, pictures: int, form: str, end: datetime) -> None:
    """A database in the `form` (a migration) with so many pictures, of the year up to `end`."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(migrations.config(connection), form)
    engine.dispose()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000", "locking_mode = EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name IN ('images', 'predictions')"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        _fill(connection, pictures, end)
        for _, statement in indexes:
            connection.execute(statement)


def _fill(connection: sqlite3.Connection, pictures: int, end: datetime) -> None:
    connection.executemany(
        "INSERT INTO model_versions VALUES (?, ?, ?, 'd' || ?1, 'graph', ?, NULL)",
        [(number, model, version, threshold) for number, model, version, threshold in VERSIONS],
    )
    images: list[tuple[Any, ...]] = []
    predictions: list[tuple[Any, ...]] = []
    for image, version, scored in _rows(pictures, end):
        images.append(image)
        predictions += [(image[0], version, rank, label, score) for rank, (label, score) in enumerate(scored, 1)]
        if len(images) == CHUNK or image[0] == pictures:
            connection.execute("BEGIN")
            connection.executemany(IMAGES, images)
            connection.executemany("INSERT INTO predictions VALUES (?,?,?,?,?)", predictions)
            connection.execute("COMMIT")
            images, predictions = [], []


def _rows(pictures: int, end: datetime) -> Iterator[Row]:
    chance, number, step = random.Random(7), 0, YEAR / pictures
    bouts = _bouts(chance)
    while True:
        route, group, names, version, score, bad = next(bouts)
        for name in names:
            number += 1
            done = utc_text(end - (pictures - number) * step)
            folder = "/".join(part for part in (route, group) if part)
            path = f"{folder}/{name}" if folder else name
            sha256 = hashlib.sha256(path.encode()).hexdigest()
            state, reason, by = _became(chance, version, superseded=name in bad)
            if state == "duplicate":
                sha256 = hashlib.sha256(f"{folder}/again".encode()).hexdigest()
            scored = score() if by else []
            claim = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"
            copy = f"outbox/{path}" if by and state != "superseded" else None
            original = None if state in {"vanished", "superseded"} else f"{'done' if by else 'failed'}/{path}"
            yield (
                (number, claim, name, path, group, sha256, 21_000, 142, 148, by, state, reason, done, done, copy, original),
                version,
                scored,
            )  # fmt: skip
            if number == pictures:
                return


def _became(chance: random.Random, version: int, *, superseded: bool) -> tuple[str, str | None, int | None]:
    lot = chance.random()
    if superseded:
        return "superseded", "put in line again by `watcher reprocess`", version
    if lot < 0.95:
        return "done", None, version
    if lot < 0.985:
        return "duplicate", "same content as again", version
    if lot < 0.998:
        return "failed", "it is cut short" if lot < 0.994 else "it is no picture", None
    return "vanished", "it was gone before it could be read", None


def _bouts(chance: random.Random) -> Iterator[tuple[str, str, list[str], int, Any, set[str]]]:
    slide = frame = 0
    while True:
        lot = chance.random()
        if lot < 0.3:
            slide += 1
            names = [f"cell_{cell}.png" for cell in range(CELLS)]
            version = min(4, 1 + slide // 2000)
            score = partial(_cell, chance, chance.betavariate(0.5, 2))
            bad = set(names[::5]) if version == BAD else set()
            yield "malaria", f"slide-{slide}", names, version, score, bad
            if bad:  # what the bad version had classified, once more
                yield "malaria", f"slide-{slide}", sorted(bad), BAD + 1, score, set()
        elif lot < 0.9:
            frame += FRAMES
            names = [f"frame-{frame + at}.jpg" for at in range(FRAMES)]
            yield "", f"camera-{chance.randrange(60):02}", names, 5, partial(_thing, chance), set()
        else:
            frame += LOOSE
            names = [f"galaxy-{frame + at}.jpg" for at in range(LOOSE)]
            yield "galaxies", "", names, 6, partial(_galaxy, chance), set()


def _cell(chance: random.Random, share: float) -> Scored:
    score = 1 - chance.random() ** 2.5 / 2
    best, other = ("Parasitized", "Uninfected") if chance.random() < share else ("Uninfected", "Parasitized")
    return [(best, score), (other, 1 - score)]


def _thing(chance: random.Random) -> Scored:
    score = chance.uniform(0.1, 1)
    labels = dict.fromkeys(LABELS[int(1000 ** chance.random()) - 1] for _ in range(5))  # some are common
    return [(label, score * 0.4**rank) for rank, label in enumerate(labels)]


def _galaxy(chance: random.Random) -> Scored:
    score = chance.uniform(0.4, 1)
    best = chance.randrange(3)
    others = (1 - score) / 2
    return [(GALAXIES[best], score), (GALAXIES[best - 1], others), (GALAXIES[best - 2], others)]
