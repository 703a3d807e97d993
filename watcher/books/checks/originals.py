"""The pictures that stand in done/: each is one that a row names."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

from watcher.books.checks.check import Check, in_chunks, unreadable
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.intake.arrivals import Claim
from watcher.intake.claims import ClaimFolder, fingerprint_of
from watcher.intake.filters import has_picture_ending, is_temporary
from watcher.intake.moves import sync
from watcher.intake.walk import files
from watcher.results import audit
from watcher.service.named import named
from watcher.service.way_back import bring_back, owner_again

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from watcher.results.audit import Entry


class Originals(Check["Path"]):
    """Files under pictures' names in done/ that no row names: moved ones, and such as the books do not know."""

    def chunks(self) -> Iterator[Sequence[Path]]:
        home = self.books.home
        if self.books.is_away(home.done):
            return
        found = files(home.done, {home.outbox, home.failed, home.corrections, home.models, home.jobs})
        yield from in_chunks(path for path in found if has_picture_ending(path.name) and not is_temporary(path.name))

    def faults(self, subjects: Sequence[Path]) -> Iterator[tuple[Path, Finding]]:
        known = named(self.books.home, self.books.database, self.books.home.done, subjects)
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
        for entry in audit.by_content(self.books.database, contents.values()):
            rows.setdefault(entry.sha256 or "", []).append(entry)
        claimed = self.books.claimed()
        for path, sha256 in contents.items():
            if finding := self._fault(path, rows.get(sha256, []), claimed):
                yield path, finding

    def mend(self, subject: Path, finding: Finding) -> str:
        books = self.books
        if finding.kind is Kind.ORIGINAL_MOVED and finding.row is not None:
            audit.correct(books.database, finding.row, original_path=books.home.relative(subject))
            return f"Row {finding.row} says now that its original is {finding.path}."
        fingerprint = fingerprint_of(subject)
        if fingerprint is None:
            raise CannotMend("it is gone")
        inside = os.path.relpath(subject, books.home.done)
        # Made from the file itself, so that a repetition after a crash goes on with what that left.
        seed = hashlib.sha256(os.fsencode(f"{inside}\0{fingerprint.device}:{fingerprint}")).digest()
        claim = Claim(base64.b32encode(seed[:10]).decode().lower(), inside, fingerprint)
        claims = ClaimFolder(books.home.inbox, owner_again(books.home))
        bring_back(claims, claim, subject)
        claims.put_back(claim)
        sync(subject.parent)
        sync(books.home.inbox)
        return f"{finding.path} is in line again, in the inbox."

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
        if entry.claim in claimed or self.books.noted.originals.get(entry.id, place) != place:
            return False
        return not self.books.is_original(self.books.place(entry.original_path or ""), entry, contents=True)
