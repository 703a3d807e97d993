"""The time of day. Whatever depends on it takes it as an argument; this is what it is given."""

from __future__ import annotations

from datetime import UTC, datetime


def utc() -> datetime:
    return datetime.now(UTC)
