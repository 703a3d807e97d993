"""What the rest of Watcher hands in and gets back: plain values, free of any database library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """What became of a picture. Waiting and claimed ones are not here: they are files, not rows."""

    DONE = "done"  # classified
    FAILED = "failed"  # could not be read; stands in failed/ with its reason
    DUPLICATE = "duplicate"  # same content as an earlier picture, whose labels it was given
    VANISHED = "vanished"  # gone before it could be read
    SUPERSEDED = "superseded"  # put in line again; a later row has, or will have, its result


class Part(StrEnum):
    """A file that a row names."""

    COPY = "copy"  # the annotated copy
    ORIGINAL = "original"


def check_aware(*moments: datetime | None) -> None:
    """Raises ValueError for a time without a zone: nobody can say which moment it means."""
    for moment in moments:
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One label and its score, a calibrated probability. NaN is refused (ValueError): it sorts nowhere."""

    label: str
    score: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError(f"score of {self.label!r} is {self.score}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """What made a result. Model, version and digest identify it; the rest is noted when it is first seen."""

    model: str
    version: int
    digest: str  # of the package's content, so that a version built twice is two
    engine: str
    review_threshold: float | None = None  # a best score below it asks for a person's look
    created_at: datetime | None = None  # aware; when the package was made, if known

    def __post_init__(self) -> None:
        check_aware(self.created_at)

    @property
    def key(self) -> tuple[str, int, str]:
        return self.model, self.version, self.digest

    def doubts(self, score: float) -> bool:
        """Whether a person should look at a result with this best score."""
        return self.review_threshold is not None and score < self.review_threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One arrival and what became of it. Texts are clean UTF-8; times are aware.

    Raises ValueError for a naive time, and for predictions without the model that made them.
    """

    claim: str  # unique id of the arrival
    name: str
    path: str  # relative to the inbox
    group: str = ""  # sub-folder below the route; "" for none
    sha256: str | None = None
    size: int | None = None  # bytes
    width: int | None = None  # pixels
    height: int | None = None
    model: ModelVersion | None = None
    predictions: tuple[Prediction, ...] = ()  # best first
    state: State
    reason: str | None = None
    received_at: datetime
    finished_at: datetime
    outbox_path: str | None = None
    original_path: str | None = None  # where the original goes after this is recorded
    kept: str | None = None  # "inode:size:mtime_ns" of an original that stays in the inbox
    attempts: int = 1

    def __post_init__(self) -> None:
        check_aware(self.received_at, self.finished_at)
        if self.predictions and self.model is None:
            raise ValueError(f"claim {self.claim} has predictions, but no model that made them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a recorded claim still needs to be released after a crash."""

    state: State
    original_path: str | None
    outbox_path: str | None
    kept: str | None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a content: its labels, best first, and the first picture that had it."""

    predictions: tuple[Prediction, ...]
    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBefore:
    """The row of a picture that failed, and where that was put then."""

    id: int
    claim: str
    path: str
    sha256: str | None
    size: int | None
    original_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A row of a failed picture that counts no more, for this reason: a later one has the picture's result."""

    id: int
    reason: str
