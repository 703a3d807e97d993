"""What a run came to, for other programs: a job's own command gets it as JSON."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from watcher.results.records import check_aware
from watcher.results.tables import utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.results.runs import Run

log = structlog.get_logger()

LONGEST_SECONDS = 60.0


def summary(run: Run) -> dict[str, Any]:
    """All of a run but the settings it went by; times are UTC in ISO 8601."""
    facts = {name: _plain(value) for name, value in asdict(run).items() if name != "settings"}
    return facts | {"metrics": json.loads(run.metrics) if run.metrics else None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        check_aware(value)
        return utc_text(value)
    return value


def tell(command: Sequence[str], run: Run) -> None:
    """Runs the command, without a shell, with the summary on its standard input; its faults are logged, no more."""
    if not command:
        return
    try:
        done = subprocess.run(
            list(command),
            input=json.dumps(summary(run), ensure_ascii=False).encode(),
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        log.warning("when_ended: the command cannot be run", command=command[0], reason=str(fault))
        return
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        log.warning("when_ended: the command failed", command=command[0], exit_code=done.returncode, said=said)
