"""Job files: `jobs/NAME.toml`, one job each; every fault of one in a line, with what would be right."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from watcher import toml_file
from watcher.jobs.gate import Gate
from watcher.jobs.schedule import Schedule, shift
from watcher.models.bases import IMAGENET, NONE
from watcher.settings import A_MODELS_NAME
from watcher.training.job import Data, Job
from watcher.training.recipe import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from watcher.toml_file import Fault

SUFFIX = ".toml"
# A job's name is that of its file, of its log and of its lock.
A_JOBS_NAME = "at most 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"(\d{1,9}) ?([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3660)


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if length is None or length > _LONGEST:
        said = f'"{value[:40]}"' if isinstance(value, str) else value
        raise ValueError(f'should be a length of time such as "90s", "30m", "6h" or "7d", not {said}')
    return length


def _said(length: timedelta) -> str:
    return f"{round(length.total_seconds())}s"


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_said, when_used="json")]


class JobData(Data):
    """The labelled pictures of a job."""

    corrections: bool = Field(
        default=True, description="also learn from what people have put under corrections/MODEL/LABEL"
    )


class JobFile(Job):
    """All of a job file: what to train, when, and when the result goes live."""

    schedule: str | None = Field(default=None, description='cron, such as "30 2 * * 0", or @daily; unset: only by hand')
    timezone: str = Field(default="UTC", description='whose clock the schedule goes by, such as "Europe/Berlin"')
    enabled: bool = Field(default=True, description="false: the schedule rests; `jobs run` still works")
    catchup: Literal["none", "latest", "all"] = Field(
        default="latest", description="due times missed while nothing ran: pass them over | run the latest | run all"
    )
    window: Duration = Field(default=timedelta(days=7), description="missed due times older than this are passed over")
    overlap: Literal["skip", "queue"] = Field(
        default="skip", description="due while the job's last run still goes on: skip | queue"
    )
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        default=timedelta(hours=24), description="a run that takes longer is ended"
    )
    retries: Annotated[int, Field(ge=0, le=20)] = Field(default=0, description="a failed run is tried again so often")
    retry_wait: Duration = Field(
        default=timedelta(minutes=10), description="before the first retry; twice as long before each further one"
    )
    jitter: Duration = Field(
        default=timedelta(0), description="start later by up to this, always the same for this job: spreads the load"
    )
    when_ended: Names = Field(
        default=(), description="a command, as a list, that gets a summary of each run as JSON on its standard input"
    )
    data: JobData = JobData()
    gate: Gate = Gate()

    def timing(self) -> Schedule | None:
        """When it is due; None if only by hand, or while it is not enabled."""
        return Schedule.parse(self.schedule, self.timezone) if self.schedule is not None and self.enabled else None

    def shift(self, name: str) -> timedelta:
        """How much later than its due times it starts."""
        return shift(name, self.jitter)


def read_job(path: Path) -> JobFile:
    """The job in the TOML file at `path`; its sources and weights are absolute then.

    Raises SettingsError, which names every fault and its line.
    """
    job = toml_file.load(path, JobFile, _expected, _timing_faults)
    return _located(job, Path(os.path.abspath(path.parent)))


def name_of(path: Path) -> str | None:
    """The job's name, if the file's is one."""
    return path.stem if path.suffix == SUFFIX and _NAME.fullmatch(path.stem) else None


def _timing_faults(values: dict[str, Any], faults: list[Fault]) -> Iterator[Fault]:
    """What the schedule and the time zone are worth together."""
    if any(location[:1] in (("schedule",), ("timezone",)) for location, _ in faults):
        return
    timezone = values.get("timezone", "UTC")
    try:
        Schedule.parse("@daily", timezone)
    except ValueError as fault:
        yield ("timezone",), f"timezone: {fault}"
        timezone = "UTC"
    if (schedule := values.get("schedule")) is not None:
        try:
            Schedule.parse(schedule, timezone)
        except ValueError as fault:
            yield ("schedule",), f"schedule: {fault}"


def _located(job: JobFile, folder: Path) -> JobFile:
    """With paths that mean the same wherever they are read: in the file they are relative to it."""
    data = job.data.model_copy(update={"source": tuple(str(folder / source) for source in job.data.source)})
    teacher = job.training.teacher
    teacher = teacher.model_copy(update={"weights": _weights(teacher.weights, folder)})
    training = {"weights": _weights(job.training.weights, folder), "teacher": teacher}
    return job.model_copy(update={"data": data, "training": job.training.model_copy(update=training)})


def _weights(weights: str, folder: Path) -> str:
    return weights if weights in (IMAGENET, NONE) else str(folder / weights)


def _expected(fault: ErrorDetails) -> str | None:
    return A_MODELS_NAME if fault["loc"] == ("model",) and fault["type"] == "string_pattern_mismatch" else None
