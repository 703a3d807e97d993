"""The database in itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.books.checks.check import Check
from watcher.books.findings import Finding, Kind
from watcher.results import audit
from watcher.results.soundness import doubt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Damage(Check[str]):
    """SQLite's own checks of the file."""

    def chunks(self) -> Iterator[Sequence[str]]:
        yield [self.books.database.where]

    def faults(self, subjects: Sequence[str]) -> Iterator[tuple[str, Finding]]:
        for where in subjects:
            for said in audit.damage(self.books.database):
                if (file := self.books.database.file) is not None:
                    doubt(file, said)  # or the next start might not look so closely
                sentence = (
                    f"The results database {where} is damaged ({said}): stop the daemon and start it again, for "
                    "`watcher run` sets a damaged one aside and rebuilds it."
                )
                yield (
                    where,
                    Finding(kind=Kind.DATABASE_DAMAGED, path=where, row=None, sentence=sentence, repairable=False),
                )
