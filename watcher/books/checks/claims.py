"""The claim folder: what is in it while nobody is at work on it."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

from watcher.books.checks.check import Check
from watcher.books.findings import CannotMend, Finding, Kind
from watcher.chunks import in_chunks
from watcher.clock import utc
from watcher.intake.claims import ClaimFolder
from watcher.intake.moves import sync
from watcher.intake.names import clean
from watcher.intake.presence import FOLDER
from watcher.models.registry import Registry
from watcher.results import audit
from watcher.service.finishing import Finisher
from watcher.service.identity import NAME, identity
from watcher.service.routes import Routes
from watcher.service.way_back import owner_again

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.books.books import Books
    from watcher.intake.arrivals import Claim


class _Claims(Check["Claim"]):
    """Claims of one owner."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        # A home that has never run has no name yet, and no claims.
        self._folder = ClaimFolder(books.home.inbox, self._owner()) if (books.home.root / NAME).exists() else None

    @abstractmethod
    def _owner(self) -> str:
        """The name under which these claims stand."""

    def _look(self) -> list[Claim]:
        return self._folder.look() if self._folder and self.books.inbox_is_there else []

    def chunks(self) -> Iterator[Sequence[Claim]]:
        yield from in_chunks(self._look())

    def fresh(self, subjects: Sequence[Claim]) -> Sequence[Claim]:
        wanted = {claim.id for claim in subjects}
        return [claim for claim in self._look() if claim.id in wanted]

    def _finding(self, kind: Kind, claim: Claim, row: int | None, sentence: str) -> Finding:
        assert self._folder is not None
        path = self.books.said(self._folder.file(claim))
        return Finding(kind=kind, path=path, row=row, sentence=sentence, repairable=True)


class Recorded(_Claims):
    """Claims of this home whose rows are there, while no daemon runs: the next start would release them."""

    def _owner(self) -> str:
        return identity(self.books.home.root)

    def faults(self, subjects: Sequence[Claim]) -> Iterator[tuple[Claim, Finding]]:
        if self.books.daemon:
            return
        rows = audit.by_claim(self.books.database, (claim.id for claim in subjects))
        for claim in subjects:
            if entry := rows.get(claim.id):
                sentence = (
                    f"The original of row {entry.id} ({entry.path}) is still in the claim folder: --repair moves it "
                    "to where the row says, and so does the next `watcher run`."
                )
                yield claim, self._finding(Kind.CLAIM_RECORDED, claim, entry.id, sentence)

    def mend(self, subject: Claim, finding: Finding) -> str:
        home, database = self.books.home, self.books.database
        assert self._folder is not None
        routes = Routes(home.settings.models, Registry(home.models))
        with closing(Finisher(home, self._folder, routes, database, utc, threads=1)) as finisher:
            if finisher.put_away_recorded([subject]):
                raise CannotMend("its row is gone")
        return f"The original of row {finding.row} ({clean(subject.path)}) is put away."


class Astray(_Claims):
    """Pictures on their way back into the inbox, while nobody takes them there."""

    def _owner(self) -> str:
        return owner_again(self.books.home)

    def faults(self, subjects: Sequence[Claim]) -> Iterator[tuple[Claim, Finding]]:
        if self.books.reprocess:
            return
        rows = audit.by_claim(self.books.database, (claim.id for claim in subjects))
        for claim in subjects:
            if (entry := rows.get(claim.id)) and entry.begun:
                continue  # what was begun with the row takes it there
            sentence = (
                f"{clean(claim.path)} was on its way back into the inbox when that was stopped: --repair puts it there."
            )
            yield claim, self._finding(Kind.CLAIM_ASTRAY, claim, None, sentence)

    def mend(self, subject: Claim, finding: Finding) -> str:
        assert self._folder is not None
        self._folder.put_back(subject)
        sync(self.books.home.inbox)
        return f"{clean(subject.path)} is in line again, in the inbox."


class Strangers(Check[str]):
    """What stands in the claim folder and is nobody's claim."""

    def chunks(self) -> Iterator[Sequence[str]]:
        if self.books.inbox_is_there:
            yield from in_chunks(ClaimFolder(self.books.home.inbox, "").strangers())

    def fresh(self, subjects: Sequence[str]) -> Sequence[str]:
        here = set(ClaimFolder(self.books.home.inbox, "").strangers())
        return [name for name in subjects if name in here]

    def faults(self, subjects: Sequence[str]) -> Iterator[tuple[str, Finding]]:
        for name in subjects:
            path = self.books.said(self.books.home.inbox / FOLDER / name)
            sentence = f"{path} is nobody's claim: if it is a picture, move it into the inbox itself; else remove it."
            yield name, Finding(kind=Kind.CLAIM_UNKNOWN, path=path, row=None, sentence=sentence, repairable=False)
