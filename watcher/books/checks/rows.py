"""The rows: the annotated copy of each result stands where its row says, and so does the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.books.accepted import GONE_FOR_GOOD, not_accepted
from watcher.books.checks.check import Check, unreadable
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.books.remaking import claim_of, remake
from watcher.intake.moves import stands
from watcher.intake.names import tagged
from watcher.results import State, audit
from watcher.service.notes import REASON_ENDING, write_note
from watcher.service.places import note_of, plain_name
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from watcher.results.audit import Entry


class Rows(Check["Entry"]):
    """All rows, each with the files that it names."""

    def chunks(self) -> Iterator[Sequence[Entry]]:
        yield from audit.entries(self.books.database)

    def fresh(self, subjects: Sequence[Entry]) -> Sequence[Entry]:
        return audit.by_id(self.books.database, (entry.id for entry in subjects))

    def faults(self, subjects: Sequence[Entry]) -> Iterator[tuple[Entry, Finding]]:
        yield from not_accepted(self.books, self._faults(subjects))

    def _faults(self, subjects: Sequence[Entry]) -> Iterator[tuple[Entry, Finding]]:
        counted = [entry.id for entry in subjects if entry.counts]
        predicted = audit.with_predictions(self.books.database, counted)
        claimed = self.books.claimed()
        for entry in subjects:
            if entry.counts:
                found = [
                    self._labels(entry, predicted),
                    self._copy(entry, predicted),
                    self._original(entry, claimed),
                ]
            elif entry.state is State.FAILED and entry.claim not in claimed:
                found = [self._failed(entry)]
            else:
                continue
            yield from ((entry, finding) for finding in found if finding)

    def mend(self, subject: Entry, finding: Finding) -> str:
        match finding.kind:
            case Kind.COPY_MISSING | Kind.COPY_OF_ANOTHER:
                return remake(self.books, subject)
            case Kind.NOTE_MISSING:
                return self._write_note(subject, self.books.place(subject.original_path or ""))
            case Kind.ORIGINAL_MOVED:
                place = self._elsewhere(subject)
                if place is None:
                    raise CannotMend("it is gone")
                audit.correct(self.books.database, subject.id, original_path=self.books.home.relative(place))
                self._write_note(subject, place)
                return f"Row {subject.id} says now that its original is {finding.path}."
        raise CannotMend("nothing is known that would mend it")

    def _labels(self, entry: Entry, predicted: Container[int]) -> Finding | None:
        if entry.id in predicted:
            return None
        sentence = (
            f"Row {entry.id} ({entry.path}) is {entry.state.value} and has no labels: put its original into the inbox "
            "again."
        )
        return self._finding(Kind.PREDICTIONS_MISSING, entry, None, sentence)

    def _copy(self, entry: Entry, predicted: Container[int]) -> Finding | None:
        books = self.books
        place = books.place(entry.outbox_path) if entry.outbox_path else None
        if entry.id in books.noted.copies or (place and books.is_away(place)):
            return None
        try:
            if place and books.is_copy(place, entry.claim):
                return None
            there = place is not None and stands(place)
            newer = self._whose_copy(entry, place) if place and there else None
            if entry.id not in predicted:
                raise CannotMend("the row has no labels")
            books.source(entry)
            if books.is_away(books.home.outbox):
                raise CannotMend("the outbox is not there")
        except CannotMend as fault:
            how, repairable = f", and it cannot be made anew, for {fault}.", False
        except OSError as fault:
            return self._unreadable(place or books.home.outbox, fault, entry)
        else:
            how, repairable = ": --repair makes it anew.", True
        copy = f"The annotated copy of row {entry.id} ({entry.path})"
        if place is None:
            return self._finding(
                Kind.COPY_MISSING, entry, None, f"{copy} is named nowhere{how}{GONE_FOR_GOOD}", repairable
            )
        if newer:
            sentence = f"{copy} is gone: in {entry.outbox_path} stands that of row {newer} now{how}{GONE_FOR_GOOD}"
            return self._finding(Kind.COPY_MISSING, entry, place, sentence, repairable)
        if there:
            sentence = f"{copy} is not what stands in {entry.outbox_path}, which is another file{how}"
            return self._finding(Kind.COPY_OF_ANOTHER, entry, place, sentence, repairable)
        sentence = f"{copy} is not in {entry.outbox_path}{how}{GONE_FOR_GOOD}"
        return self._finding(Kind.COPY_MISSING, entry, place, sentence, repairable)

    def _whose_copy(self, entry: Entry, place: Path) -> int | None:
        """The row whose copy has got the name of this one's since that was taken out. Raises OSError."""
        caption = read_caption(place) if self.books.regular(place) else None
        other = audit.by_claim(self.books.database, [caption.claim]).get(caption.claim) if caption else None
        return other.id if other and other.counts and other.outbox_path == entry.outbox_path else None

    def _original(self, entry: Entry, claimed: Container[str]) -> Finding | None:
        books = self.books
        if entry.original_path is None or entry.kept is not None or entry.claim in claimed:
            return None
        place = books.place(entry.original_path)
        if books.is_away(place) or entry.id in books.noted.originals or entry.id in books.noted.shared:
            return None
        original = f"The original of row {entry.id} ({entry.path})"
        try:
            if books.is_original(place, entry, contents=books.contents):
                return None
            there = books.regular(place) is not None
        except OSError as fault:
            return self._unreadable(place, fault, entry)
        if there:
            sentence = f"{original} is not what stands in {entry.original_path}: put back the file as it was."
            return self._finding(Kind.ORIGINAL_CHANGED, entry, place, sentence)
        sentence = f"{original} is not in {entry.original_path}, nor elsewhere in {books.said(books.home.done)}: "
        return self._finding(Kind.ORIGINAL_MISSING, entry, place, f"{sentence}put it back there.{GONE_FOR_GOOD}")

    def _failed(self, entry: Entry) -> Finding | None:
        """A failed picture that is not there was moved back by somebody, or deleted, as its note says that one may."""
        if entry.original_path is None or entry.id in self.books.noted.originals:
            return None
        place = self.books.place(entry.original_path)
        if self.books.is_away(place):
            return None
        try:
            return self._put_aside(entry, place)
        except OSError as fault:
            return self._unreadable(place, fault, entry)

    def _put_aside(self, entry: Entry, place: Path) -> Finding | None:
        if self.books.is_original(place, entry):
            note = note_of(place, claim_of(entry), REASON_ENDING)
            if stands(note):
                return None
            sentence = (
                f"The note that says why row {entry.id} ({entry.path}) failed is not beside {entry.original_path}: "
                "--repair writes it again."
            )
            return self._finding(Kind.NOTE_MISSING, entry, note, sentence, repairable=True)
        if elsewhere := self._elsewhere(entry):
            said = self.books.said(elsewhere)
            sentence = (
                f"The original of row {entry.id} ({entry.path}) stands in {said}, not in {entry.original_path}: "
                "--repair corrects the row."
            )
            return self._finding(Kind.ORIGINAL_MOVED, entry, elsewhere, sentence, repairable=True)
        return None

    def _elsewhere(self, entry: Entry) -> Path | None:
        """Where an original went whose name was taken between its row and its move: under a name with its claim's id."""
        claim, place = claim_of(entry), self.books.place(entry.original_path or "")
        for folder in place.parents:
            for name in (tagged(place.name, claim.id), plain_name(claim)):
                if self.books.is_original(folder / name, entry):
                    return folder / name
            if folder == self.books.home.root:
                break
        return None

    def _write_note(self, entry: Entry, original: Path) -> str:
        write_note(original, claim_of(entry), entry.reason or "unknown")
        note = note_of(original, claim_of(entry), REASON_ENDING)
        return f"{self.books.said(note)} is written again."

    def _unreadable(self, place: Path, fault: OSError, entry: Entry) -> Finding | None:
        """None where those who look through the folders have told of it, or of a folder above it."""
        noted = self.books.noted
        if place in noted.unreadable or any(folder in noted.closed for folder in place.parents):
            return None
        return unreadable(self.books, place, fault, entry.id)

    def _finding(self, kind: Kind, entry: Entry, path: Path | None, sentence: str, repairable: bool = False) -> Finding:
        said = self.books.said(path) if path else None
        return Finding(kind=kind, path=said, row=entry.id, sentence=sentence, repairable=repairable)
