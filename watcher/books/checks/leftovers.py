"""Halves of files that a process was writing when it died."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.books.checks.check import Check, unreadable, walk
from watcher.books.findings import Finding, Kind
from watcher.chunks import in_chunks
from watcher.intake.presence import FOLDER
from watcher.intake.writers import is_being_written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Named for a claim, or for the file that was being copied to another file system.
HALF = re.compile(r"\.watcher-(?:([a-z2-7]{16})(?:\.review)?|[0-9a-f]+-[0-9a-f]+)\.tmp")


class Leftovers(Check["Path"]):
    """Such halves, of no claim that is still to be finished, while nobody is at work."""

    def chunks(self) -> Iterator[Sequence[Path]]:
        home = self.books.home
        if self.books.daemon or self.books.reprocess:
            return
        folders = [home.inbox, home.inbox / FOLDER, home.outbox, home.done, home.failed]
        for folder in folders:
            if not self.books.is_away(folder):
                skip = set(folders) - {folder}
                yield from in_chunks(walk(self.books, folder, skip, lambda name: HALF.fullmatch(name) is not None))

    def faults(self, subjects: Sequence[Path]) -> Iterator[tuple[Path, Finding]]:
        if self.books.daemon or self.books.reprocess:
            return
        claimed = self.books.claimed()
        for path in subjects:
            match = HALF.fullmatch(path.name)
            if match is None or (match[1] and match[1] in claimed):
                continue  # a folder that is closed to us is told of by others
            try:
                if self.books.regular(path) is None or is_being_written(path):
                    continue
            except OSError as fault:
                yield path, unreadable(self.books, path, fault)
                continue
            said = self.books.said(path)
            sentence = f"{said} is half of a file, of a process that died: --repair removes it."
            yield path, Finding(kind=Kind.LEFTOVER, path=said, row=None, sentence=sentence, repairable=True)

    def mend(self, subject: Path, finding: Finding) -> str:
        self.books.remove(subject)
        return f"{finding.path} is removed."
