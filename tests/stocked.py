"""Homes with results that no daemon has made, so that no model is needed: rows, copies, originals and notes that agree."""

from __future__ import annotations

import hashlib
import io
import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import homes
from PIL import Image

from watcher.home import Home, make_home, open_home
from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.claims import ClaimFolder, new_id
from watcher.results import Database, Filter, Finished, ModelVersion, Prediction, ResultRow, State, find
from watcher.results.tables import utc_text
from watcher.service import copies
from watcher.service.identity import identity
from watcher.service.notes import write_note
from watcher.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = datetime(2026, 11, 24, 8, 30, 5, tzinfo=UTC)
MODEL = ModelVersion(model="tiny", version=1, digest="0f", engine="graph", review_threshold=0.7)
LABELS = (("red", 0.625), ("green", 0.25), ("blue", 0.125))


def make(root: Path, **sections: dict[str, Any]) -> Home:
    """A home in which a daemon has run, on an empty inbox."""
    make_home(root, Settings.model_validate(sections))
    home = open_home(root)
    ClaimFolder(home.inbox, identity(root)).make()
    with Database.open(home.settings.database.url, root) as database:
        database.migrate()
    return home


def encoded(seed: int, form: str = "PNG") -> bytes:
    return homes.picture("red", seed, form)


def add(home: Home, path: str, data: bytes, *, claim: str | None = None, at: Path | None = None) -> str:
    """A picture that was classified; the claim. `at`: where its original is, if not in done/ under its own name."""
    claim = claim or new_id()
    place = at or home.done / path
    if at is None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    copy = draw(home, path, data, claim)
    keep = home.settings.intake.originals == "keep"
    row = Finished(
        claim=claim, name=os.path.basename(path), path=path, group=os.path.dirname(path),
        sha256=hashlib.sha256(data).hexdigest(), size=len(data), width=24, height=18, model=MODEL,
        predictions=tuple(Prediction(label=label, score=score) for label, score in LABELS), state=State.DONE,
        received_at=NOON, finished_at=NOON, outbox_path=home.relative(copy),
        original_path=f"inbox: {path}" if keep else home.relative(place),
        kept=str(Fingerprint.of(os.lstat(place))) if keep else None,
    )  # fmt: skip
    record(home, row)
    return claim


def draw(home: Home, path: str, data: bytes, claim: str) -> Path:
    """The annotated copy of a picture, made at noon."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    of = Claim(claim, path, Fingerprint(0, 0, len(data), 0))
    copy = copies.put(home, of, copies.draw(home, of, image, LABELS, MODEL.model, MODEL.version))
    os.utime(copy, (NOON.timestamp(), NOON.timestamp()))
    return copy


def add_failed(home: Home, path: str, reason: str = "it is cut short") -> str:
    """A picture that has failed, with its note; the claim."""
    claim, place = new_id(), home.failed / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.encode())
    os.utime(place, (NOON.timestamp(), NOON.timestamp()))
    write_note(place, Claim(claim, path, Fingerprint(0, 0, 0, 0)), reason)
    row = Finished(
        claim=claim, name=os.path.basename(path), path=path, group=os.path.dirname(path),
        sha256=hashlib.sha256(path.encode()).hexdigest(), size=len(path), state=State.FAILED, reason=reason,
        received_at=NOON, finished_at=NOON, original_path=home.relative(place),
    )  # fmt: skip
    record(home, row)
    return claim


def record(home: Home, *rows: Finished) -> None:
    with Database.open(home.settings.database.url, home.root) as database:
        database.record(rows)


def many(home: Home, number: int) -> None:
    """Rows without files, as many vanished pictures make, each of its own length."""
    batch = [
        Finished(
            claim=new_id(), name=f"{n}.png", path=f"s{n % 7}/{n}.png", group=f"s{n % 7}", model=MODEL,
            sha256=hashlib.sha256(b"%d" % n).hexdigest(), size=n,
            predictions=tuple(Prediction(label=f"{label} {n}", score=score) for label, score in LABELS),
            state=State.VANISHED, reason="it went away" * (n % 9), received_at=NOON,
            finished_at=NOON + timedelta(seconds=n),
        )
        for n in range(number)
    ]  # fmt: skip
    record(home, *batch)


def file_of(home: Home) -> Path:
    return home.root / "watcher.db"


def rows(home: Home) -> dict[str, ResultRow]:
    """The results, by path, each of which there is once."""
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        found = find(database, Filter())
    by_path = {row.path: row for row in found}
    assert len(by_path) == len(found)
    return by_path


def table(file: Path, name: str, columns: Sequence[str] = ("*",)) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return set(connection.execute(f"SELECT {', '.join(columns)} FROM {name}"))


def originals(home: Home) -> dict[str, str | None]:
    """Where the rows say that their originals are, by path."""
    with closing(sqlite3.connect(file_of(home))) as connection:
        return dict(connection.execute("SELECT path, original_path FROM images"))


def garble(file: Path, offset: int, size: int, seed: int = 0) -> None:
    """Overwrites a part of a file."""
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(random.Random(seed).randbytes(size))


def noon_text() -> str:
    return utc_text(NOON)
