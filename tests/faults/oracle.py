"""The books of a home, checked by other means than Watcher's own: the files, SQLite, and Pillow."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from scenes import NOTE, Dropped, Stage, database_of

_SIGN = re.compile(r"\.[a-z2-7]{8}\.here")  # that a daemon is at work on this inbox
CLASSIFIED = ("done", "duplicate")


@dataclass(frozen=True, slots=True)
class Wrong:
    """What does not balance: `lost` or `doubled`; `false`, `stray` or `leftover`, which holds no picture, are neither."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True, slots=True)
class _Row:
    claim: str
    path: str
    state: str
    reason: str | None
    outbox_path: str | None
    original_path: str | None
    label: str | None
    needs_review: int | None


Balance = Sequence[tuple[Dropped, _Row]]


def books(stage: Stage, pictures: Sequence[Dropped], *, may_fail: Collection[str] = ()) -> list[Wrong]:
    """What is wrong. Pictures whose paths are in `may_fail` may have failed although they are good."""
    try:
        rows, wrong = _rows(database_of(stage)), _integrity(database_of(stage))
    except sqlite3.DatabaseError as fault:
        return [Wrong("false", f"the database: {fault}")]
    wrong += _arrivals(rows, pictures)
    of = {row.path: row for row in rows}
    balance = [(picture, of[picture.clean]) for picture in pictures if picture.clean in of]
    for picture, row in balance:
        wrong += _outcome(stage, picture, row, may_fail)
    return [*wrong, *_copies(stage, rows), *_originals(stage, pictures, balance), *_strays(stage, balance)]


def _rows(path: Path) -> list[_Row]:
    query = """SELECT claim, path, state, reason, outbox_path, original_path,
        (SELECT label FROM predictions WHERE image_id = images.id AND rank = 1), needs_review FROM images ORDER BY id"""
    with closing(sqlite3.connect(path)) as database:
        return [_Row(*values) for values in database.execute(query)]


def _integrity(path: Path) -> list[Wrong]:
    with closing(sqlite3.connect(path)) as database:
        found = [*database.execute("PRAGMA integrity_check"), *database.execute("PRAGMA foreign_key_check")]
    return [] if found == [("ok",)] else [Wrong("false", f"the database: {found}")]


def _arrivals(rows: Sequence[_Row], pictures: Sequence[Dropped]) -> Iterator[Wrong]:
    """Every picture has one row."""
    counted = Counter(row.path for row in rows)
    wanted = Counter(picture.clean for picture in pictures)
    yield from (Wrong("lost", f"{path} has no row") for path in wanted - counted)
    yield from (Wrong("doubled", f"{path} has {counted[path]} rows") for path in counted - wanted)
    claims = Counter(row.claim for row in rows)
    yield from (Wrong("doubled", f"claim {claim} was used twice") for claim, number in claims.items() if number > 1)


def _outcome(stage: Stage, picture: Dropped, row: _Row, may_fail: Collection[str]) -> Iterator[Wrong]:
    failed = picture.label is None or (picture.clean in may_fail and row.state == "failed")
    if row.state not in (("failed",) if failed else CLASSIFIED):
        yield Wrong("false", f"{row.path} is {row.state}: {row.reason}")
    elif not failed and row.label != picture.label:
        yield Wrong("false", f"{row.path} is recorded as {row.label}")
    if failed:
        note = stage.aside / "failed" / f"{row.path}{NOTE}"
        if not note.is_file() or f"{row.reason}." not in note.read_text():
            yield Wrong("false", f"{row.path} has failed, and no note says why")


def _copies(stage: Stage, rows: Sequence[_Row]) -> Iterator[Wrong]:
    """Every classified row has one annotated copy, where it says, and no other copy is there."""
    outbox = stage.aside / "outbox"
    review = outbox / "review"
    files = [path for path in outbox.rglob("*") if not path.is_dir()]
    copies = [(path, caption_of(path)) for path in files if not path.is_relative_to(review)]
    yield from _reviews([caption_of(path) for path in files if path.is_relative_to(review)], rows)
    wanted = {row.claim: row for row in rows if row.state in CLASSIFIED}
    found = Counter(caption["claim"] for _, caption in copies if caption)
    yield from (Wrong("lost", f"{wanted[claim].path} has no annotated copy") for claim in wanted.keys() - found.keys())
    yield from (Wrong("doubled", f"{number} annotated copies of {c}") for c, number in found.items() if number > 1)
    for path, caption in copies:
        row = wanted.get(caption["claim"]) if caption else None
        if caption is None:
            yield Wrong("stray", f"{path} is no annotated copy")
        elif row is None:
            yield Wrong("doubled", f"{path} is a copy for which there is no row")
        elif stage.root / row.outbox_path != path or caption["label"] != row.label:
            yield Wrong("false", f"{path} is not what its row tells of: {row}")


def _reviews(captions: Sequence[dict[str, Any] | None], rows: Sequence[_Row]) -> Iterator[Wrong]:
    """The copy of each doubtful result stands among those to be reviewed, once, and no other."""
    doubted = {row.claim for row in rows if row.state in CLASSIFIED and row.needs_review}
    found = Counter(caption["claim"] if caption else "nothing known" for caption in captions)
    yield from (Wrong("false", f"the copy of {claim} is not to be reviewed") for claim in doubted - found.keys())
    yield from (Wrong("stray", f"{claim} is to be reviewed") for claim in found.keys() - doubted)
    yield from (
        Wrong("doubled", f"{claim} is to be reviewed {number} times") for claim, number in found.items() if number > 1
    )


def caption_of(path: Path) -> dict[str, Any] | None:
    """What an annotated copy says of itself, if it is a whole picture."""
    try:
        with Image.open(path) as image:
            image.load()
            text = image.info.get("comment") or image.info.get("watcher")
        return json.loads(text)["watcher"]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _originals(stage: Stage, pictures: Sequence[Dropped], balance: Balance) -> Iterator[Wrong]:
    """Every original stands where it should, once, byte by byte what it was; also one that has no row."""
    gone = Counter(picture.data for picture, row in balance if not _place(stage, picture, row))
    wanted = Counter(picture.data for picture in pictures) - gone
    places = [stage.root / "inbox", stage.aside / "done", stage.aside / "failed"]
    found = Counter(
        path.read_bytes()
        for place in places
        for path in place.rglob("*")
        if not path.is_dir() and not path.name.endswith(NOTE) and not _SIGN.fullmatch(path.name)
    )
    names = {picture.data: picture.clean for picture in pictures}
    for data, number in (wanted - found).items():
        yield Wrong("lost", f"{number} original of {names[data]}")
    for data, number in (found - wanted).items():
        yield Wrong("doubled", f"{number} original too many of {names.get(data, 'something unknown')}")
    for picture, row in balance:
        place = _place(stage, picture, row)
        if place and not (place.is_file() and place.read_bytes() == picture.data):
            yield Wrong("false", f"the original of {row.path} is not at {place}")


def _place(stage: Stage, picture: Dropped, row: _Row) -> Path | None:
    """Where the original must be; None where it was to be deleted."""
    if row.state != "failed" and stage.scene.originals == "keep":
        return stage.root / "inbox" / os.fsdecode(picture.path)
    if row.state != "failed" and stage.scene.originals == "delete":
        return None
    return stage.root / row.original_path if row.original_path else Path("/dev/null/nowhere")


def _strays(stage: Stage, balance: Balance) -> Iterator[Wrong]:
    """Nothing is left in the claim folder, and nothing half-written anywhere."""
    for entry in os.scandir(stage.root / "inbox/.watcher"):
        holds = any(files for _, _, files in os.walk(entry.path)) if entry.is_dir() else not _SIGN.fullmatch(entry.name)
        yield Wrong("stray" if holds else "leftover", f"in the claim folder: {entry.name}")
    notes = {stage.aside / "failed" / f"{row.path}{NOTE}" for _, row in balance if row.state == "failed"}
    for path in map(Path, stage.files):
        if path.suffix == ".tmp":
            yield Wrong("leftover" if path.parent == stage.root else "stray", f"half-written: {path}")
        if path.name.endswith(NOTE) and path not in notes:
            yield Wrong("stray", f"a note of no failed picture: {path}")
