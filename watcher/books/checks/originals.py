"""The pictures that stand in done/ and in failed/: each is one that a row names."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.books.checks.check import Check, unreadable, walk
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.chunks import in_chunks
from watcher.intake.arrivals import Claim
from watcher.intake.claims import ClaimFolder, fingerprint_of
from watcher.intake.filters import has_picture_ending, is_temporary
from watcher.intake.inside import is_file
from watcher.intake.moves import sync
from watcher.results import State, audit
from watcher.service import copies
from watcher.service.named import named
from watcher.service.way_back import bring_back, owner_again
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from watcher.books.books import Books
    from watcher.results.audit import Entry
    from watcher.vision.encode import Caption


class _Originals(Check["Path"]):
    """Files under pictures' names that no row names: moved ones, and such as the books do not know."""

    folder: Path
    states: Sequence[State]

    def chunks(self) -> Iterator[Sequence[Path]]:
        home = self.books.home
        if self.books.is_away(self.folder):
            return
        skip = {home.outbox, home.done, home.failed, home.corrections, home.models, home.jobs} - {self.folder}
        yield from in_chunks(walk(self.books, self.folder, skip, _may_be_a_picture))

    def faults(self, subjects: Sequence[Path]) -> Iterator[tuple[Path, Finding]]:
        known = named(self.books.home, self.books.database, self.folder, subjects)
        contents: dict[Path, str] = {}
        for path in subjects:
            if path in known:
                continue
            try:
                contents[path] = self.books.digest(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as fault:
                yield path, unreadable(self.books, path, fault)
        rows: dict[str, list[Entry]] = {}
        for entry in audit.by_content(self.books.database, contents.values(), self.states):
            rows.setdefault(entry.sha256 or "", []).append(entry)
        claimed = self.books.claimed()
        for path, sha256 in contents.items():
            try:
                finding = self._fault(path, rows.get(sha256, []), claimed)
            except OSError as fault:
                finding = unreadable(self.books, Path(fault.filename), fault)
            if finding:
                yield path, finding

    def mend(self, subject: Path, finding: Finding) -> str:
        books = self.books
        if finding.kind is Kind.ORIGINAL_MOVED and finding.row is not None:
            audit.correct(books.database, finding.row, original_path=books.home.relative(subject))
            return f"Row {finding.row} says now that its original is {finding.path}."
        fingerprint = fingerprint_of(subject)
        if fingerprint is None:
            raise CannotMend("it is gone")
        inside = os.path.relpath(subject, self.folder)
        # Made from the file itself, so that a repetition after a crash goes on with what that left.
        seed = hashlib.sha256(os.fsencode(f"{inside}\0{fingerprint.device}:{fingerprint}")).digest()
        claim = Claim(base64.b32encode(seed[:10]).decode().lower(), inside, fingerprint)
        removed = "".join(
            f"; {books.said(copy)}, of which no row knows, is removed" for copy in self._forget_copies(claim)
        )
        claims = ClaimFolder(books.home.inbox, owner_again(books.home))
        bring_back(claims, claim, subject)
        claims.put_back(claim)
        sync(subject.parent)
        sync(books.home.inbox)
        return f"{finding.path} is in line again, in the inbox{removed}."

    def _forget_copies(self, claim: Claim) -> Iterator[Path]:
        """What was drawn of a picture that no row names goes: as after a database of yesterday was put back.

        It stands where the picture's copy belongs, and will be drawn anew.
        """
        books = self.books
        drawn = {path: caption.claim for path in copies.first_places(books.home, claim) if (caption := _caption(path))}
        claimed = books.claimed()
        known = audit.by_claim(books.database, drawn.values())
        for path, of in drawn.items():
            if of not in known and of not in claimed:
                books.remove(path)
                yield path

    def _fault(self, path: Path, rows: Sequence[Entry], claimed: Container[str]) -> Finding | None:
        said = self.books.said(path)
        for entry in rows:
            if self.books.place(entry.original_path or "") == path:  # under a name that tells nothing of its row
                return None
        owner = next((entry for entry in rows if self._lacks_original(entry, said, claimed)), None)
        if owner is None:
            sentence = f"{said} is a picture that no row of the results names"
            repairable = self.books.inbox_is_there
            how = "--repair puts it into the inbox again." if repairable else "put it into the inbox again."
            return Finding(
                kind=Kind.ORIGINAL_UNKNOWN, path=said, row=None, sentence=f"{sentence}: {how}", repairable=repairable
            )
        self.books.noted.originals[owner.id] = said
        stands = f"The original of row {owner.id} ({owner.path}) stands in {said}, not in {owner.original_path}"
        repairable = self.books.home.relative(path) == said
        how = "--repair corrects the row." if repairable else "move it back, for its name cannot be written down."
        return Finding(
            kind=Kind.ORIGINAL_MOVED, path=said, row=owner.id, sentence=f"{stands}: {how}", repairable=repairable
        )

    def _lacks_original(self, entry: Entry, place: str, claimed: Container[str]) -> bool:
        """Raises OSError, which names the file, where that cannot be told."""
        if entry.claim in claimed or self.books.noted.originals.get(entry.id, place) != place:
            return False
        intended = self.books.place(entry.original_path or "")
        try:
            return not self.books.is_original(intended, entry, contents=True)
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, str(intended)) from fault


class DoneOriginals(_Originals):
    """Those of results, in done/."""

    states = audit.COUNTED

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.folder = books.home.done


class FailedOriginals(_Originals):
    """Pictures that could not be read, in failed/. One that no row names is tried again."""

    states = (State.FAILED,)

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.folder = books.home.failed


def _caption(path: Path) -> Caption | None:
    try:
        return read_caption(path) if is_file(path) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _may_be_a_picture(name: str) -> bool:
    return has_picture_ending(name) and not is_temporary(name)
