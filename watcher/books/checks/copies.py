"""The annotated copies that stand in the outbox: each is the one of a result that counts."""

from __future__ import annotations

import filecmp
from typing import TYPE_CHECKING

from watcher.books.checks.check import Check, unreadable, walk
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.books.remaking import claim_of
from watcher.chunks import in_chunks
from watcher.intake.filters import is_temporary
from watcher.results import State, audit
from watcher.service import copies
from watcher.service.review import REVIEW
from watcher.vision.encode import ENDINGS, read_caption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watcher.results.audit import Entry

_ENDINGS = tuple(ending for endings in ENDINGS.values() for ending in endings)


class Copies(Check["Path"]):
    """Files in the outbox that carry a caption of ours, and are not what a row names. Others are other people's."""

    def chunks(self) -> Iterator[Sequence[Path]]:
        home = self.books.home
        if self.books.is_away(home.outbox):
            return
        skip = {home.outbox / REVIEW, home.done, home.failed, home.corrections, home.models, home.jobs}
        yield from in_chunks(walk(self.books, home.outbox, skip, _may_be_ours))

    def faults(self, subjects: Sequence[Path]) -> Iterator[tuple[Path, Finding]]:
        claims: dict[Path, str] = {}
        for path in subjects:
            try:
                if caption := read_caption(path):
                    claims[path] = caption.claim
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as fault:
                yield path, unreadable(self.books, path, fault)
        # First what is in work, then what is recorded: a claim is released after its row is there.
        claimed = self.books.claimed()
        rows = audit.by_claim(self.books.database, claims.values())
        for path, claim in claims.items():
            entry = rows.get(claim)
            if finding := self._of(path, entry) if entry else None if claim in claimed else self._unknown(path):
                yield path, finding

    def mend(self, subject: Path, finding: Finding) -> str:
        books = self.books
        if finding.kind is Kind.COPY_MOVED and finding.row is not None:
            audit.correct(books.database, finding.row, outbox_path=books.home.relative(subject))
            return f"Row {finding.row} says now that its annotated copy is {finding.path}."
        if finding.kind is not Kind.COPY_EXTRA:
            raise CannotMend("nobody can say what it is of")
        books.remove(subject)
        return f"{finding.path} is removed."

    def _of(self, path: Path, entry: Entry) -> Finding | None:
        """What is wrong about a copy of this row. One that a person keeps in another place is no fault."""
        said = self.books.said(path)
        if not entry.counts:
            if entry.begun or path not in self._given(entry):
                return None  # what was begun with the row sees to its copy
            what = "is superseded" if entry.state is State.SUPERSEDED else f"{entry.state.value} after all"
            return self._extra(path, entry, f"{said} is an annotated copy of row {entry.id}, which {what}")
        named = self.books.place(entry.outbox_path) if entry.outbox_path else None
        if named == path:
            return None
        try:
            if named and (self.books.is_away(named) or self.books.is_copy(named, entry.claim)):
                return self._second(path, entry, named)
        except OSError:
            return None  # which is told of with the row
        if (first := self.books.noted.copies.setdefault(entry.id, path)) != path:
            return self._second(path, entry, first)
        stands = f"The annotated copy of row {entry.id} ({entry.path}) stands in {said}, not in {entry.outbox_path}"
        repairable = self.books.home.relative(path) == said
        how = "--repair corrects the row." if repairable else "move it back, for its name cannot be written down."
        return Finding(
            kind=Kind.COPY_MOVED, path=said, row=entry.id, sentence=f"{stands}: {how}", repairable=repairable
        )

    def _second(self, path: Path, entry: Entry, first: Path) -> Finding | None:
        """A copy beside the one that counts: ours by its name, or because it is the same in the same folder."""
        try:
            same = filecmp.cmp(path, first, shallow=False)
        except OSError:  # the first is away, or this one has gone
            same = False
        if path not in self._given(entry) and not (same and path.parent == first.parent):
            return None
        said = f"{self.books.said(path)} is a second annotated copy of row {entry.id}, beside {self.books.said(first)}"
        return self._extra(path, entry, said if same else f"{said}, and not the same", repairable=same)

    def _given(self, entry: Entry) -> set[Path]:
        """Where Watcher itself may have put the copy of an arrival: what stands elsewhere was put there by a person."""
        return copies.places(self.books.home, claim_of(entry))

    def _extra(self, path: Path, entry: Entry, sentence: str, *, repairable: bool = True) -> Finding:
        how = "--repair removes it." if repairable else "remove one of them, or keep this one in a folder of its own."
        said = self.books.said(path)
        return Finding(
            kind=Kind.COPY_EXTRA, path=said, row=entry.id, sentence=f"{sentence}: {how}", repairable=repairable
        )

    def _unknown(self, path: Path) -> Finding:
        said = self.books.said(path)
        sentence = (
            f"{said} is an annotated copy that no row of the results knows: if the database was lost or is an older "
            "one, put the right one back; else remove the copy by hand."
        )
        return Finding(kind=Kind.COPY_UNKNOWN, path=said, row=None, sentence=sentence, repairable=False)


def _may_be_ours(name: str) -> bool:
    return name.lower().endswith(_ENDINGS) and not is_temporary(name)
