"""The records that pass between the stages of the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from watcher.intake.arrivals import Claim
    from watcher.vision.outcome import Classified, Failed, Picture
    from watcher.vision.vision import Vision


@dataclass(frozen=True, slots=True)
class Taken:
    """A claimed picture on its way to its model."""

    claim: Claim
    vision: Vision
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """How much of something is in hand, and how much can be."""

    name: str
    depth: int
    limit: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """The picture was gone before it could be read."""

    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The picture changed after it had settled: somebody is still writing it."""


@dataclass(frozen=True, slots=True)
class Read:
    """A picture whose bytes were read, once."""

    taken: Taken
    claim: Claim
    content: Picture | Failed | Vanished | Changed
    sha256: str | None = None
    size: int | None = None
    pixels: int = 0
    """How much of the pixel budget it holds until it is forgotten."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture with its outcome, ready to be published, recorded and released."""

    read: Read
    outcome: Classified | Failed | Vanished
    same_as: str | None = None
    """The path of an earlier picture of the same content, whose labels these are."""


@dataclass(frozen=True, slots=True)
class Published:
    """A judged picture and its annotated copy, if it has one; and the same among those that a person should look at."""

    judged: Judged
    copy: Path | None
    review: Path | None = None
