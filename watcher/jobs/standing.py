"""Where each job of a home stands: when it runs next, how its last run ended, what is wrong with its file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from watcher.jobs.folder import read_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.jobs.folder import Found
    from watcher.results.runbook import RunBook


@dataclass(frozen=True, slots=True)
class Standing:
    """One job file; what its faults hide is None. `next` is ISO 8601, in the job's own zone."""

    job: str
    model: str | None
    schedule: str | None
    timezone: str | None
    enabled: bool | None
    next: str | None
    last_run: int | None
    last_state: str | None
    fault: str | None


def standings(home: Home, book: RunBook | None, now: datetime) -> tuple[Standing, ...]:
    """Of every job file, by name; `book` is None where nothing has run yet. Raises OSError."""
    return tuple(_standing(found, book, now) for found in read_folder(home.jobs))


def starts(name: str, job: JobFile, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the job starts from now on: in its own zone, and in UTC; never, for one without a schedule in force."""
    timing, shift = job.timing(), job.shift(name)
    if timing is not None:
        for due in timing.after(now - shift):
            yield (due + shift).astimezone(timing.zone), due + shift


def preview(name: str, job: JobFile, now: datetime, count: int) -> list[tuple[datetime, datetime, str]]:
    """The next `count` starts, in the job's zone and in UTC, and a note where the clocks have changed since the one before.

    Where they change only later, the last start before that and the first after it follow.
    """
    coming = list(islice(starts(name, job, now), count))
    if coming and not _changed(coming) and (change := _next_change(coming[-1][0])) is not None:
        last = before = coming[-1]
        for start in starts(name, job, max(last[1], change - timedelta(days=3))):
            if start[0].utcoffset() != last[0].utcoffset() or start[1] > change:
                coming += [start] if before is last else [before, start]
                break
            before = start
    notes = ["", *("the clocks have changed" if _changed(pair) else "" for pair in pairwise(coming))]
    return [(local, due, note) for (local, due), note in zip(coming, notes, strict=False)]


def _changed(coming: Sequence[tuple[datetime, datetime]]) -> bool:
    return len({local.utcoffset() for local, _ in coming}) > 1


def _next_change(local: datetime) -> datetime | None:
    """Within a day after the zone's clocks change; None if they do not within 400 days."""
    days = (local.astimezone(UTC) + timedelta(days=day) for day in range(1, 400))
    return next((day for day in days if day.astimezone(local.tzinfo).utcoffset() != local.utcoffset()), None)


def _standing(found: Found, book: RunBook | None, now: datetime) -> Standing:
    job, last = found.job, book.last(found.name) if book else None
    coming = next(starts(found.name, job, now), None) if job else None
    return Standing(
        job=found.name,
        model=job.model if job else None,
        schedule=job.schedule if job else None,
        timezone=job.timezone if job else None,
        enabled=job.enabled if job else None,
        next=coming[0].isoformat(timespec="minutes") if coming else None,
        last_run=last.id if last else None,
        last_state=last.state.value if last else None,
        fault="; ".join(found.faults) or None,
    )
