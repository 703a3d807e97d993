"""The folder of job files: one bad file never touches the others, nor the job that it was before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.jobs.folder import JobFolder, read_folder


def write(folder: Path, name: str, text: str = 'model = "m"\n', age: int = 0) -> Path:
    """A job file; another `age`, another time on it, however quick the test is."""
    path = folder / name
    path.write_text(text, "utf-8")
    os.utime(path, (1_000_000 + age, 1_000_000 + age))
    return path


def test_a_bad_file_leaves_the_others_alone(tmp_path: Path) -> None:
    """The others are taken, and its faults are told once."""
    write(tmp_path, "good.toml")
    write(tmp_path, "bad.toml", "model = 5\n")
    folder = JobFolder(tmp_path)
    told = folder.look()
    assert [(found.name, found.job is None) for found in told] == [("bad", True), ("good", False)]
    assert list(folder.jobs) == ["good"]
    assert folder.look() == []


def test_the_last_good_one_stays_until_the_next(tmp_path: Path) -> None:
    """A change is taken without restart once the file is left alone for a look; a faulty change is told, no more."""
    write(tmp_path, "a.toml", 'model = "one"\n')
    folder = JobFolder(tmp_path)
    folder.look()
    write(tmp_path, "a.toml", "model = 1\n", age=1)
    assert folder.look() == []  # it may be half written
    (found,) = folder.look()
    assert found.faults and folder.jobs["a"].model == "one"
    write(tmp_path, "a.toml", 'model = "two"\n', age=2)
    assert folder.look() == []
    assert [found.faults for found in folder.look()] == [()]
    assert folder.jobs["a"].model == "two"


def test_a_removed_file_is_no_job_any_more(tmp_path: Path) -> None:
    """Nor is it told of; the folder itself may be gone, too."""
    path = write(tmp_path, "a.toml")
    folder = JobFolder(tmp_path)
    folder.look()
    path.unlink()
    assert folder.look() == []
    assert list(folder.jobs) == ["a"]  # an editor may take it away for a moment
    assert folder.look() == []
    assert not folder.jobs
    assert JobFolder(tmp_path / "nowhere").look() == []


def test_a_folder_that_cannot_be_read_has_not_lost_its_jobs(tmp_path: Path) -> None:
    """As when a share is away."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    write(jobs, "a.toml")
    folder = JobFolder(jobs)
    folder.look()
    (jobs / "a.toml").unlink()
    jobs.rmdir()
    jobs.write_text("no folder")
    with pytest.raises(OSError, match="Not a directory"):
        folder.look()
    assert list(folder.jobs) == ["a"]


def test_two_jobs_with_one_name_are_told_apart_by_a_person(tmp_path: Path) -> None:
    """On a Windows share they would be one file; the first is a job, the second is told."""
    write(tmp_path, "Cells.toml")
    write(tmp_path, "cells.toml")
    first, second = read_folder(tmp_path)
    assert first.job is not None
    assert second.job is None
    assert "the job of Cells.toml has this name already" in second.faults[0]


def test_names_that_are_none_are_told_and_others_files_are_passed_over(tmp_path: Path) -> None:
    """A job's name becomes that of a log and of a lock."""
    write(tmp_path, "my job.toml")
    for name in (".a.toml", "a.toml~", "a.toml.swp", "notes.txt"):
        write(tmp_path, name)
    (found,) = read_folder(tmp_path)
    assert found.job is None
    assert "rename the file" in found.faults[0]
