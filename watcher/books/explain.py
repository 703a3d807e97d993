"""Why is this file where it is? A sentence or two about any file of a home, or any name that it has known."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from watcher.books.books import Books
from watcher.books.checks.leftovers import HALF
from watcher.books.corrected import of_correction
from watcher.books.telling import Teller
from watcher.books.waiting import Waiting
from watcher.intake import passed_over
from watcher.intake.arrivals import Fingerprint
from watcher.intake.inside import is_folder
from watcher.intake.names import clean
from watcher.intake.presence import FOLDER
from watcher.intake.scan import FOLDER as FOLDER_LIKE_A_PICTURE
from watcher.results import audit
from watcher.service.kept import names_of
from watcher.service.named import named
from watcher.service.notes import REASON_ENDING, stray_note
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Database
    from watcher.results.audit import Entry

MOST = 3  # things of one name
NO_RESULTS = "there are no results here yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known of one thing that a name can mean; with no `path`, nothing is."""

    path: str | None
    row: int | None
    sentence: str


class Explainer:
    """Answers for a home at one moment. `database` is None where there are no results yet."""

    def __init__(self, home: Home, database: Database | None, now: datetime) -> None:
        self._home = home
        self._database = database
        self._books = Books(home, database) if database else None
        self._waiting = Waiting(home, now)

    def explain(self, given: str) -> list[Explanation]:
        """What `given`, a path or a name alone, can mean, and why each is so.

        Raises OSError and DatabaseUnavailable.
        """
        there = list(self._there(given))
        if found := [self._of_file(path) for path in there]:
            return found
        name = self._below(given)
        if found := [*self._in_work(name), *self._recorded(name)]:
            return found
        if os.sep not in name and (found := [self._of_file(path) for path in self._in_inbox(name)]):
            return found
        said = clean(given)
        before = "none was ever dropped into the inbox" if self._database else NO_RESULTS
        sentence = f"Nothing is known of {said}: no such file is here, and {before}."
        return [Explanation(path=None, row=None, sentence=sentence)]

    def _there(self, given: str) -> Iterator[Path]:
        """The files that a path can mean, from here, from the home and from the inbox."""
        seen = set()
        for base in ("", self._home.root, self._home.inbox):
            path = self._ours(os.path.join(base, given))
            if os.path.lexists(path) and path not in seen:
                seen.add(path)
                yield path

    def _ours(self, given: str) -> Path:
        """An absolute path, as the settings call the folder that it is in, whatever links led there."""
        above, name = os.path.split(os.path.abspath(given))
        path = self._home.root / os.path.realpath(above) / name
        for folder in (*self._home.all_folders, self._home.root):
            real = self._home.root / os.path.realpath(folder)
            if path.is_relative_to(real):
                return folder / path.relative_to(real)
        return path

    def _below(self, given: str) -> str:
        """A path that is not there, as it would be below the inbox, outbox, done or failed."""
        home = self._home
        for base in ("", home.root):
            path = self._ours(os.path.join(base, given))
            for folder in (home.inbox, home.outbox, home.done, home.failed):
                if folder in path.parents:
                    return os.path.relpath(path, folder)
        return given

    def _in_work(self, name: str) -> Iterator[Explanation]:
        for owner, claim in self._waiting.claims():
            if name in {claim.path, clean(claim.path), os.path.basename(claim.path)}:
                yield Explanation(path=clean(claim.path), row=None, sentence=self._waiting.why_claimed(owner, claim))

    def _recorded(self, name: str) -> Iterator[Explanation]:
        if self._database is not None:
            for entry in audit.dropped_as(self._database, clean(name), MOST):
                yield self._of_row(entry)

    def _in_inbox(self, name: str) -> Iterator[Path]:
        """What bears a name somewhere in the inbox."""
        inbox = self._home.inbox
        found = (os.path.join(above, name) for above, _, names in os.walk(inbox) if name in names)
        return (self._home.root / path for path in islice(found, MOST))

    def _of_row(self, entry: Entry, beginning: str = "") -> Explanation:
        assert self._database is not None
        told = Teller(self._home, self._database).tell(entry)
        return Explanation(path=entry.path, row=entry.id, sentence=f"{beginning}{told}")

    def _of_file(self, path: Path) -> Explanation:
        """The ladder: which folder of the home a file stands in says what it is."""
        home = self._home
        folder = home.folder_of(path)
        if HALF.fullmatch(path.name):
            return self._plain(path, "is half of a file; if its process has died, `watcher verify --repair` removes it")
        if path == home.root:
            return self._plain(path, "is the folder of this home")
        if path in home.all_folders:
            return self._plain(path, "is one of the folders of this home")
        if folder == home.inbox:
            return self._of_inbox(os.path.relpath(path, home.inbox))
        if is_folder(path):
            return self._plain(path, "is a folder; ask for one of the files in it")
        if folder == home.outbox:
            return self._of_copy(path) or self._plain(path, "is no annotated copy of ours: Watcher leaves it alone")
        if folder in (home.done, home.failed):
            return self._of_original(path, folder) or self._of_content(path)
        if folder == home.corrections:
            return self._plain(path, of_correction(home, self._database, path))
        if folder == home.root:
            return self._plain(path, "is not in the inbox: only what is put there is classified")
        return self._of_copy(path) or self._of_content(path)

    def _of_inbox(self, path: str) -> Explanation:
        if path == FOLDER or path.startswith(f"{FOLDER}/"):
            for owner, claim in self._waiting.claims():
                if path.startswith(f"{FOLDER}/{owner}.{claim.id}."):
                    return Explanation(
                        path=clean(claim.path), row=None, sentence=self._waiting.why_claimed(owner, claim)
                    )
            return self._plain(self._home.inbox / path, "is Watcher's own: pictures in work stand in this folder")
        try:
            reason = passed_over.why(self._home.inbox, path)
        except OSError as fault:
            reason = f"it cannot be looked at: {fault.strerror}"
        if note := stray_note(self._home.inbox, path):
            return self._plain(self._home.inbox / path, f"is {note}")
        if reason in (passed_over.PLAIN_FOLDER, FOLDER_LIKE_A_PICTURE):
            return self._plain(self._home.inbox / path, f"is {reason}")
        if reason:
            return self._plain(self._home.inbox / path, f"is left alone: {reason}")
        if kept := self._kept(path):
            return self._of_row(kept)
        with suppress(FileNotFoundError):
            sentence = self._waiting.why_waits(path)
            return Explanation(path=clean(path), row=None, sentence=sentence)
        return self._plain(self._home.inbox / path, "was taken just now: ask again")

    def _kept(self, path: str) -> Entry | None:
        """The row of an original that stays in the inbox, though it is done."""
        if self._database is None or self._home.settings.intake.originals != "keep":
            return None
        fingerprint = str(Fingerprint.of(os.lstat(self._home.inbox / path)))
        for name in names_of(path):
            for entry in audit.by_original(self._database, [(name, f"inbox: {name}")]):
                if entry.kept == fingerprint:
                    return entry
        return None

    def _of_copy(self, path: Path) -> Explanation | None:
        """None where it is none."""
        try:
            caption = read_caption(path)
        except OSError:
            return None
        if caption is None:
            return None
        said = clean(self._home.relative(path))
        rows = audit.by_claim(self._database, [caption.claim]) if self._database else {}
        if entry := rows.get(caption.claim):
            return self._of_row(entry, f"{said} is an annotated copy. ")
        if any(claim.id == caption.claim for _, claim in self._waiting.claims()):
            return self._plain(path, "is an annotated copy of a picture that is still in work")
        made = clean(f"{caption.label}, by {caption.model}/{caption.version}")
        return self._plain(
            path, f"is an annotated copy ({made}) of a picture that the results of this home do not know"
        )

    def _of_original(self, path: Path, folder: Path) -> Explanation | None:
        """None where no row names it."""
        if self._database is None:
            return None
        note = path.name.endswith(REASON_ENDING)
        of = path.with_name(path.name.removesuffix(REASON_ENDING)) if note else path
        entry = named(self._home, self._database, folder, [of]).get(of)
        if entry is None:
            stray = stray_note(folder, os.path.relpath(path, folder))
            return self._plain(path, f"is {stray}") if stray else None
        said = clean(self._home.relative(path))
        return self._of_row(entry, f"{said} says why a picture failed. " if note else f"{said} is an original. ")

    def _of_content(self, path: Path) -> Explanation:
        """A file that nothing but its content can tell of."""
        with suppress(OSError):
            if self._books and (sha256 := self._books.digest(path)):
                for entry in audit.by_content(self._books.database, [sha256])[:1]:
                    return self._of_row(
                        entry, f"{clean(self._home.relative(path))} has the content of a known picture. "
                    )
        why = "no result is of its content" if self._database else NO_RESULTS
        return self._plain(path, f"is not in the inbox, and {why}: put it there to have it taken")

    def _plain(self, path: Path, what: str) -> Explanation:
        said = clean(str(path) if path == self._home.root else self._home.relative(path))
        return Explanation(path=said, row=None, sentence=f"{said} {what}.")
