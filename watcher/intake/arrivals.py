"""The records that intake hands on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

# Paths in these records are relative to the inbox and raw: Python's `os.fsdecode` form, which any
# name of any encoding survives. What people and the database see is `names.clean`.


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells, without reading it, whether a file is still the same and unchanged."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def __str__(self) -> str:
        return f"{self.inode}:{self.size}:{self.mtime_ns}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that stands in the inbox under a picture's name."""

    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Something in the inbox that Watcher will never take, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A picture that was seen waiting and then was no longer there: somebody took it back."""

    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Claim:
    """A picture that is ours: moved out of people's reach under an id of its own."""

    id: str
    path: str
    fingerprint: Fingerprint
    attempts: int = 0

    def tried(self) -> Claim:
        return replace(self, attempts=self.attempts + 1)
