"""What a check has found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only a fault makes `watcher doctor` exit with 1."""

    OK = "ok"
    NOTE = "note"  # as it is, and worth knowing
    WARNING = "warning"  # it works, but not as well as it could, or not for long
    FAULT = "fault"  # it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, in a sentence, and what to do, where anything is."""

    area: str
    subject: str
    level: Level
    found: str
    advice: str = ""


def said(amount: float) -> str:
    """An amount of bytes for people: `1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.3g} TB" if amount < 1000 else f"{amount:,.0f} TB"
