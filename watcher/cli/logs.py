"""Logs go to standard error: for people on a terminal, as JSON lines for everything else."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

import structlog

from watcher.cli.harmless import harmless, unguarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

    Renderer = Callable[[Any, str, EventDict], str | bytes]

Form = Literal["auto", "human", "json"]
# The numbers of syslog's priorities, by which `journalctl -p` picks (man sd-daemon).
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def configure(form: Form = "auto", *, quiet: bool = False) -> None:
    """Sets up structlog for this process; `quiet` leaves warnings and errors only."""
    on_terminal, in_journal = sys.stderr.isatty(), _is_journal()
    out = unguarded(sys.stderr) if on_terminal else sys.stderr  # the renderer's own colours are no harm
    human = form == "human" or (form == "auto" and on_terminal)
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if on_terminal else "iso", utc=not on_terminal)
    # It reports as an error that it was ended.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *([] if human and in_journal else [stamp]),  # the journal has times of its own
            structlog.processors.format_exc_info,
            _harmless_values if human else _as_they_are,
            _with_priority(_renderer(human, on_terminal)) if in_journal else _renderer(human, on_terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(out),
    )


def _renderer(human: bool, on_terminal: bool) -> Renderer:
    if human:
        return structlog.dev.ConsoleRenderer(colors=on_terminal)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _is_journal() -> bool:
    """Whether what is written goes to systemd's journal, which takes a priority before each line."""
    try:
        said = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # not a file at all
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{said.st_dev}:{said.st_ino}"


def _with_priority(render: Renderer) -> Renderer:
    def rendered(logger: Any, method: str, event: EventDict) -> str:
        priority = PRIORITIES.get(str(event.get("level")), PRIORITIES["info"])
        return "\n".join(f"<{priority}>{line}" for line in str(render(logger, method, event)).split("\n"))

    return rendered


def _as_they_are(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """JSON escapes control characters itself."""
    return event


def _harmless_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """What a person reads holds no control characters: nothing else escapes them there."""
    return {key: harmless(value) if isinstance(value, str) else value for key, value in event.items()}
