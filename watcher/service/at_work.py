"""Which versions of its models the daemon uses: a note that it leaves for `watcher reprocess`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = structlog.get_logger()

NAME = ".watcher.working"


class AtWorkFile:
    """True while a daemon runs: what it had loaded last, by model. A new version is noted once it is in use."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME

    def read(self) -> dict[str, int]:
        """Empty where nothing is noted."""
        try:
            return {str(model): int(version) for model, version in json.loads(self._path.read_text("utf-8")).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def write(self, versions: Mapping[str, int]) -> None:
        """A note that cannot be written is only logged: it stops no work."""
        try:
            half = self._path.with_name(f"{NAME}.tmp")
            half.write_text(json.dumps(versions), "utf-8")
            os.replace(half, self._path)
        except OSError as fault:
            log.warning("nobody can be told which versions are at work", reason=str(fault))
