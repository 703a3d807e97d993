"""What is browsed, and what of the home that takes. The rest of the home is nobody's business here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watcher.errors import WatcherError

# As SQLite says it where a mount is read-only, and where the rights on a folder are.
UNOPENED = ("unable to open database file", "attempt to write a readonly database")
DATABASE = "watcher"  # as addresses name it, whatever its file is called


class BrowseError(WatcherError):
    """The results cannot be browsed."""


class CannotOpen(BrowseError):
    """SQLite cannot open a database that is there: it has to make files beside it, unless a writer has done so."""

    @classmethod
    def of(cls, fault: Exception) -> Self | None:
        """What SQLite's fault, or one that quotes it, means to people; None for any other."""
        if not any(said in str(fault) for said in UNOPENED):
            return None
        return cls(
            "the results database cannot be opened: where its folder is read-only or not this user's, it can be read only"
            " while the daemon runs. Start the daemon (`watcher run`), or let `watcher browse` write to the folder"
        )


class TooSlow(WatcherError):
    """A question took longer than one may."""


class TooLarge(WatcherError):
    """An answer is larger than one may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A home's results, and where their annotated copies are."""

    url: str
    root: Path
    outbox: Path
    routes: Mapping[str, str]  # first folder below the inbox -> model
    default_model: str
