"""What the rest of Watcher hands in and gets back of the runs of jobs: plain values, free of any database library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watcher.results.records import check_aware


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    HAND = "hand"  # a person, or their crontab: `watcher jobs run`


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"  # waits for its turn, or to be tried again
    RUNNING = "running"
    PROMOTED = "promoted"  # its model went live
    KEPT = "kept"  # its model did not pass the gate; the one before is still live
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # it never ran; the reason says why


ACTIVE = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A due time of a job and, if it is not to run, why; `times`: how many due times it stands for. Times are aware."""

    scheduled_at: datetime
    skipped: str | None = None
    times: int = 1

    def __post_init__(self) -> None:
        check_aware(self.scheduled_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A job's schedule, and the due time up to which it has been turned into runs."""

    schedule: str
    timezone: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job, or why there was none; as the table `job_runs` has it."""

    id: int
    job: str
    model: str
    trigger: Trigger
    state: RunState
    reason: str | None
    scheduled_at: datetime | None
    times: int
    created_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    tries: int
    version_before: int | None
    candidate: int | None
    version_after: int | None
    settings: str | None
    metrics: str | None
    report_path: str | None
    log_path: str | None
    host: str | None
    pid: int | None
