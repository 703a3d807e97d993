"""The end of a batch: publish, record, release, in this order. Each step can be repeated without harm."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from watcher.intake.claims import new_id
from watcher.intake.inside import make_folder, reached
from watcher.intake.moves import BAD_NAME, move_new, stands, sync, write_durably
from watcher.intake.names import clean, fitting
from watcher.repeated import Repeated
from watcher.results import Finished, Prediction, State
from watcher.service import copies
from watcher.service.notes import REASON_ENDING, write_note
from watcher.service.places import Reservations, note_of, plain_name, put_original
from watcher.service.publishing import Publisher, version_of
from watcher.service.shares import Shares
from watcher.service.tried_again import TriedAgain
from watcher.service.watch import Timing, untimed
from watcher.service.work import Published, Vanished
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from watcher.home import Home
    from watcher.intake.arrivals import Claim, Gone
    from watcher.intake.claims import ClaimFolder
    from watcher.results import Database, Recorded
    from watcher.service.routes import Routes
    from watcher.service.work import Judged

log = structlog.get_logger()
Item = TypeVar("Item")
Result = TypeVar("Result")

# Files that are made durable at the same time: a journal takes them in one go, where one after the other each waits for a turn.
WRITERS = 16
UNREADABLE = ".unreadable"
TAKEN_BACK = "it was taken out of the inbox before it was classified"


class Finisher:
    """The steps at the end of a batch. They raise OSError or DatabaseUnavailable for the world's faults."""

    def __init__(
        self,
        home: Home,
        claims: ClaimFolder,
        routes: Routes,
        database: Database,
        now: Callable[[], datetime],
        threads: int,
        timing: Timing = untimed,
    ) -> None:
        self._home = home
        self._claims = claims
        self._routes = routes
        self._database = database
        self._now = now
        self._shares = Shares(home)
        self._tried_again = TriedAgain(home, claims, database, self._shares)
        self._pool = ThreadPoolExecutor(WRITERS, "publish")
        self._repeated = Repeated()
        self._publisher = Publisher(home, routes, threads, timing)

    def close(self) -> None:
        self._pool.shutdown()

    def publish(self, batch: Sequence[Judged]) -> list[Published]:
        """Writes the annotated copies; they and their names are durable when this returns."""
        self._shares.must_be_there(self._home.outbox)
        published = self._each(self._publish, batch)
        for folder in {copy.parent for item in published for copy in (item.copy, item.review) if copy}:
            sync(folder)
        self._shares.must_be_there(self._home.outbox)  # still: or they stand in its empty mount point
        return published

    def rows(self, batch: Sequence[Published]) -> list[Finished]:
        """What is to be recorded of a batch. Writes the reasons of failed pictures beside the places meant for them."""
        for folder in (self._home.done, self._home.failed):
            self._shares.must_be_there(folder)
        reserved = Reservations()
        return [self._row(item, reserved) for item in batch]

    def record(self, rows: Sequence[Finished]) -> None:
        """Records rows in one transaction; what failed earlier and was tried again with them counts no more."""
        self._database.record(rows, self._tried_again.earlier(rows))

    def release(self, batch: Sequence[Published], rows: Sequence[Finished]) -> None:
        """Moves the originals out of the claim folder, as was recorded."""
        pairs = [(item.judged.read.claim, row) for item, row in zip(batch, rows, strict=True)]
        self._each(lambda pair: self.put_away(*pair), pairs)

    def put_away(self, claim: Claim, row: Finished | Recorded) -> None:
        """Moves one original to where its row says, and removes its claim."""
        self._claims.must_be_there()  # or what is not found there would count as moved
        if row.state in (State.DONE, State.DUPLICATE):
            self._remove_stale_note(claim)  # first, for once the claim is gone nobody would come back to it
        file = self._claims.file(claim)
        # A picture that had vanished and is here again, with its share, is taken anew.
        if (row.kept is not None or row.state is State.VANISHED) and stands(file):
            self._claims.put_back(claim)
        elif row.original_path is not None:
            intended = self._home.root / row.original_path
            self._shares.must_be_there(self._home.folder_of(intended))
            self._put_away(file, intended, claim)
        elif row.state in (State.DONE, State.DUPLICATE):  # to be deleted, as the settings said
            with suppress(FileNotFoundError):
                file.unlink()
        elif stands(file):
            self._claims.put_back(claim)
        self._claims.must_be_there()
        self._claims.clear(claim)

    def _put_away(self, file: Path, intended: Path, claim: Claim) -> None:
        moved = partial(self._moved, claim, intended)
        try:
            put_original(file, intended, claim, self._home.folder_of(intended), moved)
        except PermissionError:
            if os.access(file, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
                raise
            self._leave(file, intended, claim, moved)

    def _leave(self, file: Path, intended: Path, claim: Claim, moved: Callable[[Path], None]) -> None:
        """What may not be read cannot be copied to another disk: it stays in the inbox, by a name that is no picture's."""
        before = note_of(intended, claim, REASON_ENDING)
        for name in (clean(claim.path), claim.id):
            place = self._home.inbox / fitting(name + UNREADABLE)
            with suppress(FileExistsError, NotADirectoryError):
                make_folder(place.parent, self._home.inbox)
                moved(place)
                with suppress(FileNotFoundError):
                    write_durably(note_of(place, claim, REASON_ENDING), before.read_bytes())
                move_new(file, place)
                break
        with suppress(FileNotFoundError):
            before.unlink()

    def _moved(self, claim: Claim, intended: Path, place: Path) -> None:
        facts = {"recorded": str(intended), "moved_to": str(place)}
        self._repeated.say(intended.parent, log.warning, "an original cannot have its name", **facts)
        self._database.moved(claim.id, self._home.relative(place))

    def _remove_stale_note(self, claim: Claim) -> None:
        """A picture that had failed was moved back and is read now: why it had failed is no news any more."""
        before = self._home.failed / fitting(clean(claim.path))
        if reached(self._home.failed, before) and not stands(before):
            with suppress(OSError):
                note_of(before, claim, REASON_ENDING).unlink()

    def retract(self, claim: Claim) -> None:
        """Takes back what an earlier process has published of a claim that is not recorded, and will not be as done."""
        if claim.attempts:
            self._shares.must_be_there(self._home.outbox)
            copies.retract(self._home, claim)

    def put_away_recorded(self, claims: Sequence[Claim]) -> list[Claim]:
        """Releases those claims whose rows an earlier process had committed; the others come back."""
        recorded = self._database.recorded(claim.id for claim in claims)
        for claim in claims:
            if row := recorded.get(claim.id):
                self.put_away(claim, row)
        return [claim for claim in claims if claim.id not in recorded]

    def taken_back(self, gone: Sequence[Gone]) -> list[Finished]:
        """The rows of pictures that vanished while they waited."""
        now = self._now()
        return [
            Finished(
                claim=new_id(),
                name=os.path.basename(clean(picture.path)),
                path=clean(picture.path),
                group=self._routes.group_of(picture.path),
                size=picture.fingerprint.size,
                state=State.VANISHED,
                reason=TAKEN_BACK,
                received_at=now,
                finished_at=now,
                attempts=0,
            )
            for picture in gone
        ]

    def _each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results of `work`, done in threads. Raises the first fault, once none is at work any more."""
        futures = [self._pool.submit(work, item) for item in items]
        wait(futures)
        return [future.result() for future in futures]

    def _publish(self, judged: Judged) -> Published:
        if isinstance(judged.read.content, Picture) and isinstance(judged.outcome, Classified):
            return self._publisher(judged, judged.read.content, judged.outcome)
        self.retract(judged.read.claim)
        return Published(judged, None)

    def _row(self, item: Published, reserved: Reservations) -> Finished:
        read, outcome = item.judged.read, item.judged.outcome
        path = clean(read.claim.path)
        row = Finished(
            claim=read.claim.id,
            name=os.path.basename(path),
            path=path,
            group=self._routes.group_of(read.claim.path),
            sha256=read.sha256,
            size=read.size if read.size is not None else read.claim.fingerprint.size,
            state=State.DONE,
            received_at=read.taken.received_at,
            finished_at=self._now(),
            attempts=read.claim.attempts,
        )
        if isinstance(read.content, Picture):
            row = replace(row, width=read.content.width, height=read.content.height)
        if isinstance(outcome, Vanished):
            return replace(row, state=State.VANISHED, reason=outcome.reason)
        if isinstance(outcome, Failed):
            return self._failed(row, read.claim, outcome, reserved)
        return self._classified(row, item, outcome, reserved)

    def _classified(self, row: Finished, item: Published, outcome: Classified, reserved: Reservations) -> Finished:
        judged, claim = item.judged, item.judged.read.claim
        row = replace(
            row,
            model=version_of(judged.read.taken.vision),
            predictions=tuple(Prediction(label=label, score=score) for label, score in outcome.predictions),
            outbox_path=self._home.relative(item.copy) if item.copy else None,
        )
        if judged.same_as is not None:
            row = replace(row, state=State.DUPLICATE, reason=f"same content as {judged.same_as}")
        match self._home.settings.intake.originals:
            case "keep":
                return replace(row, original_path=f"inbox: {row.path}", kept=str(claim.fingerprint))
            case "delete":
                return row
        return replace(row, original_path=self._home.relative(reserved.choose(self._home.done, claim)))

    def _failed(self, row: Finished, claim: Claim, outcome: Failed, reserved: Reservations) -> Finished:
        target = reserved.choose(self._home.failed, claim, REASON_ENDING)
        try:
            make_folder(target.parent, self._home.failed)
            write_note(target, claim, outcome.reason)
        except OSError as fault:
            if fault.errno not in BAD_NAME:
                raise
            target = self._home.failed / plain_name(claim)
            write_note(target, claim, outcome.reason)
        return replace(row, state=State.FAILED, reason=outcome.reason, original_path=self._home.relative(target))
