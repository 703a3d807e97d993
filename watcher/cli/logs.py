"""Logs go to standard error: for people on a terminal, as JSON lines for everything else."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from watcher.cli.harmless import harmless, unguarded

if TYPE_CHECKING:
    from structlog.typing import EventDict


def configure(*, quiet: bool = False) -> None:
    """Sets up structlog for this process; `quiet` leaves warnings and errors only."""
    on_terminal = sys.stderr.isatty()
    out = unguarded(sys.stderr) if on_terminal else sys.stderr  # the renderer's own colours are no harm
    # It reports as an error that it was ended.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if on_terminal else "iso", utc=not on_terminal),
            structlog.processors.format_exc_info,
            _harmless_values,
            structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(out),
    )


def _harmless_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """On a terminal, where nothing else escapes them; in JSON this would be done twice."""
    if not sys.stderr.isatty():
        return event
    return {key: harmless(value) if isinstance(value, str) else value for key, value in event.items()}
