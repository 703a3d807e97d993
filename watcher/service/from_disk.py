"""Rows for pictures that the results have forgotten, made from what stands on the disk.

An annotated copy says of itself which arrival it is of, what made it and what it shows; a picture in failed/ has a note
beside it. Originals in done/ that no copy belongs to are left for `watcher verify`, which puts them in line again.
Nothing on the disk is changed, and what has a row is left alone: so it may be repeated, on any database.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from watcher.chunks import in_chunks
from watcher.errors import ModelError
from watcher.intake.claims import ClaimFolder, new_id
from watcher.intake.filters import is_temporary
from watcher.intake.inside import is_file
from watcher.intake.names import clean
from watcher.intake.walk import files
from watcher.models.registry import Registry
from watcher.results import Finished, ModelVersion, Prediction, State, audit, gaps
from watcher.results.recording import UNKNOWN
from watcher.service.named import named
from watcher.service.notes import REASON_ENDING, read_note
from watcher.service.originals import Originals
from watcher.service.review import REVIEW
from watcher.service.routes import Routes
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database
    from watcher.vision.encode import Caption

log = structlog.get_logger()

MOST_ALIKE = 10
_CLAIM = re.compile("[a-z2-7]{16}")


@dataclass(slots=True)
class Refilled:
    """How many rows were made from copies and from notes, and how many were put right by what their copies say."""

    from_copies: int = 0
    from_notes: int = 0
    corrected: int = 0


# Gone meanwhile, or closed to us; what a disk cannot give at the moment is another matter.
NOT_FOR_US = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR)


class Refill:
    """Fills the gaps in the results of one home."""

    def __init__(self, home: Home, database: Database, now: datetime) -> None:
        self._home = home
        self._database = database
        self._since = f"on {now.astimezone(UTC).date().isoformat()}, after the database was damaged"
        self._routes = Routes(home.settings.models, Registry(home.models))
        self._originals = Originals(home, database)
        self._versions: dict[tuple[str, int], ModelVersion] = {}

    def run(self) -> Refilled:
        """Raises OSError where a folder or the disk cannot be read, and what writing to the database may raise."""
        done = Refilled()
        claimed = set(ClaimFolder(self._home.inbox, "").ids())  # those the daemon goes on with by itself
        for copies in in_chunks(_copies(self._home)):
            captions = {path: caption for path in copies if (caption := _caption(path))}
            captions = {path: caption for path, caption in captions.items() if caption.claim not in claimed}
            self._take(captions, done)
        for notes in in_chunks(_notes(self._home)):
            rows = list(self._failed(notes, done))
            self._database.record(rows)
            done.from_notes += len(rows)
        return done

    def _take(self, captions: dict[Path, Caption], done: Refilled) -> None:
        told = gaps.told(self._database, [caption.claim for caption in captions.values()])
        strangers = {path: self._home.relative(path) for path, caption in captions.items() if caption.claim not in told}
        named = gaps.with_copies(self._database, strangers.values()) if strangers else {}
        rows: dict[str, Finished] = {}
        for path, caption in captions.items():
            if row := told.get(caption.claim):
                done.corrected += self._correct(row, path, caption)
            elif (row := named.get(strangers[path])) and row.best == _best(caption):  # a letter of its claim is garbled
                gaps.give_claim(self._database, row.id, caption.claim)
                done.corrected += 1
            elif caption.claim not in rows:
                rows[caption.claim] = self._classified(path, caption)
        self._database.record(list(rows.values()))
        self._originals.forget()
        done.from_copies += len(rows)

    def _correct(self, row: gaps.Told, copy: Path, caption: Caption) -> bool:
        """Makes a row that was read say what its copy says; whether that was news."""
        if row.state not in (State.DONE, State.DUPLICATE):
            return False
        place = self._home.relative(copy)
        there = row.outbox_path is not None and is_file(self._home.root / row.outbox_path)
        moved = not there and place == clean(place)
        if moved:
            audit.correct(self._database, row.id, outbox_path=place)
        return self._correct_label(row, caption) or moved

    def _correct_label(self, row: gaps.Told, caption: Caption) -> bool:
        best, number = _best(caption), row.version_id
        if number is None or (row.version_known and row.best == best):
            return False
        if not row.version_known:
            number = gaps.make_known(self._database, number, self._version(caption))
        gaps.say_best(self._database, row.id, number, best)
        return True

    def _classified(self, copy: Path, caption: Caption) -> Finished:
        original = self._originals.of(copy, caption.claim)
        made = datetime.fromtimestamp(os.lstat(copy).st_mtime, UTC)
        path = original.path if original else clean(str(copy.relative_to(self._home.outbox)))
        row = Finished(
            claim=caption.claim,
            name=os.path.basename(path),
            path=path,
            group=self._routes.group_of(path),
            model=self._version(caption),
            predictions=(_best(caption),),
            state=State.DONE,
            reason=f"rebuilt from its annotated copy {self._since}",
            received_at=made,
            finished_at=made,
            outbox_path=self._home.relative(copy),
        )
        if original is None:
            return row
        place = f"inbox: {path}" if original.kept else self._home.relative(original.place)
        return replace(row, size=original.size, sha256=original.sha256, original_path=place, kept=original.kept)

    def _version(self, caption: Caption) -> ModelVersion:
        """What is known of the version that made a copy: from the results, else from the models there are."""
        key = caption.model, caption.version
        if key not in self._versions:
            found = gaps.newest_version(self._database, *key)
            self._versions[key] = found or self._of_package(*key)
        return self._versions[key]

    def _of_package(self, model: str, version: int) -> ModelVersion:
        try:
            card = Registry(self._home.models).read(model, version).card
        except (ModelError, OSError, ValueError):
            return ModelVersion(model=model, version=version, digest=UNKNOWN, engine=UNKNOWN)
        threshold, made = card.review_threshold, card.created_at
        return ModelVersion(
            model=model,
            version=version,
            digest=card.digest,
            engine=UNKNOWN,
            review_threshold=threshold,
            created_at=made,
        )

    def _failed(self, notes: Sequence[Path], done: Refilled) -> Iterator[Finished]:
        """Rows of failed pictures, each with its note beside it, that no row names."""
        found = {_picture_of(note): said for note in notes if (said := _said(self._home.failed, note))}
        here = [place for place in found if is_file(place)]
        known = named(self._home, self._database, self._home.failed, here)
        for place in here:
            if place in known:
                continue
            path, why = found[place]
            if (row := self._lacking(place, path)) is None:
                yield self._one_failed(place, path, why)
            else:
                audit.correct(self._database, row, original_path=self._home.relative(place))
                done.corrected += 1

    def _lacking(self, place: Path, path: str) -> int | None:
        """The row of a picture of this path and size that failed, and does not say where it is: that is garbled."""
        size = os.lstat(place).st_size
        for entry in audit.dropped_as(self._database, path, MOST_ALIKE):
            if (entry.path, entry.state, entry.size) == (path, State.FAILED, size) and not (
                entry.original_path and is_file(self._home.root / entry.original_path)
            ):
                return entry.id
        return None

    def _one_failed(self, place: Path, path: str, why: str) -> Finished:
        size, sha256 = None, None
        try:
            size, sha256 = self._originals.measure(place)
        except OSError:
            log.info("a failed picture cannot be read", path=str(place))
        failed = datetime.fromtimestamp(os.lstat(place).st_mtime, UTC)
        return Finished(
            claim=new_id(),
            name=os.path.basename(path),
            path=path,
            group=self._routes.group_of(path),
            sha256=sha256,
            size=size,
            state=State.FAILED,
            reason=f"{why} (rebuilt from its note {self._since})",
            received_at=failed,
            finished_at=failed,
            original_path=self._home.relative(place),
        )


def anything_on(home: Home) -> bool:
    """Whether the disk holds anything to make rows from. Raises OSError."""
    return any(map(_caption, _copies(home))) or any(_said(home.failed, note) for note in _notes(home))


def _copies(home: Home) -> Iterator[Path]:
    others = {home.done, home.failed, home.corrections, home.models, home.jobs, home.outbox / REVIEW}
    return (path for path in files(home.outbox, others) if not is_temporary(path.name))


def _notes(home: Home) -> Iterator[Path]:
    return (path for path in files(home.failed) if path.name.endswith(REASON_ENDING))


def _caption(path: Path) -> Caption | None:
    """None also for a copy that `watcher classify` has made, and for a file that we may not read. Raises OSError."""
    try:
        caption = read_caption(path)
    except OSError as fault:
        if fault.errno not in NOT_FOR_US:
            raise
        return None
    return caption if caption and _CLAIM.fullmatch(caption.claim) else None


def _best(caption: Caption) -> Prediction:
    return Prediction(label=caption.label, score=caption.score)


def _said(folder: Path, note: Path) -> tuple[str, str] | None:
    """The path of a failed picture and why it failed; None where the note is none of ours. Raises OSError."""
    try:
        return read_note(folder, str(note.relative_to(folder)))
    except OSError as fault:
        if fault.errno not in NOT_FOR_US:
            raise
        return None


def _picture_of(note: Path) -> Path:
    return note.with_name(note.name.removesuffix(REASON_ENDING))
