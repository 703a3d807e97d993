"""The folder of job files as it changes: one bad file never touches the others, nor the job that it was before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import SettingsError
from watcher.jobs.files import A_JOBS_NAME, SUFFIX, name_of, read_job

if TYPE_CHECKING:
    from watcher.jobs.files import JobFile

    Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A job file and what it says: a job, or its faults, a line each."""

    path: Path
    job: JobFile | None
    faults: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


def read_folder(folder: Path) -> list[Found]:
    """Every job file of the folder as it is now, by name; none where there is no such folder. Raises OSError."""
    paths = _paths(folder)
    return [_read(path, paths) for path in paths]


class JobFolder:
    """The jobs that are in force; `look` takes up what has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, Mark] | None = None
        self._taken: dict[Path, Mark] = {}
        self._gone: set[Path] = set()
        self._jobs: dict[str, JobFile] = {}

    @property
    def jobs(self) -> Mapping[str, JobFile]:
        """By name. Of a file that is faulty now it is what it last said without a fault."""
        return self._jobs

    def look(self) -> list[Found]:
        """The files that have changed, once they have been left alone from one look to the next.

        Where the folder cannot be read nothing changes: a share that is away has not lost its jobs. Raises OSError.
        """
        paths = _paths(self._folder)
        marks = {path: mark for path in paths if (mark := _mark(path)) is not None}
        gone = self._taken.keys() - marks.keys()
        for path in gone & self._gone:  # an editor may take a file away for a moment
            self._jobs.pop(path.stem, None)
            del self._taken[path]
        self._gone = gone
        before = marks if self._seen is None else self._seen
        calm = [path for path, mark in marks.items() if before.get(path) == mark]
        changed = [_read(path, paths) for path in calm if self._taken.get(path) != marks[path]]
        self._seen = marks
        for found in changed:
            self._taken[found.path] = marks[found.path]
            if found.job is not None:
                self._jobs[found.name] = found.job
        return changed


def _paths(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return []
    return [folder / name for name in names if name.endswith(SUFFIX) and not name.startswith(".")]


def _read(path: Path, paths: list[Path]) -> Found:
    if name_of(path) is None:
        return Found(path, None, (f"{path}: a job's name is that of its file: {A_JOBS_NAME}; rename the file",))
    if same := next(_same_name(path, paths), None):
        return Found(path, None, (f"{path}: the job of {same.name} has this name already; rename one of the two",))
    try:
        return Found(path, read_job(path), ())
    except SettingsError as fault:
        return Found(path, None, fault.faults)


def _same_name(path: Path, paths: list[Path]) -> Iterator[Path]:
    """Files before this one whose names differ in case alone: on a Windows share they are one."""
    return (other for other in paths if other < path and other.name.casefold() == path.name.casefold())


def _mark(path: Path) -> Mark | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
