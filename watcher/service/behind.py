"""Models of which the daemon still uses an earlier version: a note that it leaves for `watcher status`."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Behind:
    """A model whose current version cannot be loaded: which one works instead, and why."""

    model: str
    working: int
    reason: str


class BehindFile:
    """True while a daemon runs; it is not there when there is nothing to tell."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Behind, ...]:
        try:
            return tuple(Behind(**entry) for entry in json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return ()

    def write(self, models: Iterable[Behind]) -> None:
        """Notes these models and no others. A note that cannot be written is only logged: it stops no work."""
        entries = [asdict(behind) for behind in models]
        try:
            if entries:
                half = self._path.with_name(f"{self._path.name}.tmp")
                half.write_text(json.dumps(entries), "utf-8")
                os.replace(half, self._path)
            else:
                with suppress(FileNotFoundError):
                    self._path.unlink()
        except OSError as fault:
            log.warning("status cannot be told which models are behind", reason=str(fault))
