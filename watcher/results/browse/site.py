"""What is browsed, and what of the home that takes. The rest of the home is nobody's business here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.errors import WatcherError

DATABASE = "watcher"  # as addresses name it, whatever its file is called


class BrowseError(WatcherError):
    """The results cannot be browsed."""


class TooSlow(WatcherError):
    """A question took longer than one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A home's results, and where their annotated copies are."""

    url: str
    root: Path
    outbox: Path
    routes: Mapping[str, str]  # first folder below the inbox -> model
    default_model: str
