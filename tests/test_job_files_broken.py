"""Broken job files: each is named with its line and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.errors import SettingsError
from watcher.jobs.files import read_job

FAULTS = [
    ("schedule = 5", 2, "schedule: should be a valid string, not 5"),
    ('schedule = "every day"', 2, "schedule: "),
    ('schedule = "0 2 * *"', 2, "schedule: "),
    ('schedule = "0 0 2 * * *"', 2, "schedule: "),
    ('schedule = "61 2 * * *"', 2, "schedule: "),
    ('schedule = "0 25 * * *"', 2, "schedule: "),
    ('schedule = "0 2 30 2 *"', 2, "schedule: "),
    ('schedule = "@reboot"', 2, "schedule: "),
    ('schedule = "@dayly"', 2, "schedule: "),
    ('schedule = ""', 2, "schedule: "),
    ('timezone = "Europe/Berln"', 2, "timezone: "),
    ("timezone = 1", 2, "timezone: should be a valid string, not 1"),
    ('enabled = "yes"', 2, 'enabled: should be a valid boolean, not "yes"'),
    ('catchup = "some"', 2, "catchup: should be 'none', 'latest' or 'all'"),
    ('window = "a week"', 2, 'window: should be a length of time such as "90s", "30m", "6h" or "7d", not "a week"'),
    ("window = 7", 2, 'window: should be a length of time such as "90s", "30m", "6h" or "7d", not 7'),
    ('window = "99999d"', 2, "window: should be a length of time"),
    ('overlap = "wait"', 2, "overlap: should be 'skip' or 'queue'"),
    ('timeout = "-1h"', 2, "timeout: should be a length of time"),
    ("retries = -1", 2, "retries: should be greater than or equal to 0, not -1"),
    ("retries = 1.5", 2, "retries: should be a valid integer"),
    ('retry_wait = "10 minutes"', 2, "retry_wait: should be a length of time"),
    ("jitter = true", 2, "jitter: should be a length of time"),
    ('when_ended = "mail me"', 2, "when_ended: should be a valid tuple"),
    ('shedule = "@daily"', 2, "shedule: there is no such setting; did you mean `schedule`?"),
    ("[gate]\nmetric = 'auc'", 3, "gate.metric: should be"),
    ("[gate.floors]\nroc_acu = 0.9", 3, "there is no such figure; did you mean `roc_auc`?"),
    ("[gate.label_floors]\nill = 95", 3, "gate.label_floors.ill: should be less than or equal to 1, not 95"),
    ("[gate]\ndoubt = 2", 3, "gate.doubt: should be less than or equal to 1, not 2"),
    ('[data]\nsource = ""', 3, "data.source.0: should be a text that is not empty"),
    ("[data]\nsource = 3", 3, "data.source: should be a valid tuple, not 3"),
    ("[data]\ncorrections = 1", 3, "data.corrections: should be a valid boolean, not 1"),
    ("[training]\nbase = 1", 3, "training.base: should be a valid string, not 1"),
    ("[training\n", 2, "not TOML"),
    ("model = 'b'", 2, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "said"), FAULTS)
def test_every_fault_of_a_job_file_is_said_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    """And with what would be right, in one line."""
    path = tmp_path / "job.toml"
    path.write_text(f'model = "m"\n{text}\n', "utf-8")
    with pytest.raises(SettingsError) as refused:
        read_job(path)
    (fault,) = refused.value.faults
    assert fault.startswith(f"{path}:{line}: ")
    assert said in fault


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    """With the line on which it stops being UTF-8."""
    path = tmp_path / "job.toml"
    path.write_bytes(b'model = "m"\nschedule = "\xff"\n')
    with pytest.raises(SettingsError, match=r"job\.toml:2: not UTF-8 text; save the file as UTF-8"):
        read_job(path)


def test_lengths_of_time_and_paths_are_taken_as_meant(tmp_path: Path) -> None:
    """Paths are relative to the file, and a text may stand for a list of one."""
    path = tmp_path / "job.toml"
    path.write_text(
        'model = "m"\nwindow = "36h"\njitter = "90s"\ntimeout = "2 d"\n[data]\nsource = "cells"\n'
        '[training]\nweights = "w.h5"\n[training.teacher]\nweights = "none"\n',
        "utf-8",
    )
    job = read_job(path)
    assert (job.window.total_seconds(), job.jitter.total_seconds(), job.timeout.days) == (36 * 3600, 90, 2)
    assert job.data.source == (str(tmp_path / "cells"),)
    assert job.training.weights == str(tmp_path / "w.h5")
    assert job.training.teacher.weights == "none"
    path.write_text('model = "m"\n[data]\nsource = ["/a", "b"]\n', "utf-8")
    assert read_job(path).data.source == ("/a", str(tmp_path / "b"))


def test_a_job_goes_through_json_unchanged(tmp_path: Path) -> None:
    """A run keeps the job as it was, to go on with after a crash."""
    path = tmp_path / "job.toml"
    path.write_text(
        'model = "m"\nschedule = "@daily"\nwindow = "3d"\nwhen_ended = ["true", "1"]\n[data]\nsource = "x"\n'
        "[gate.floors]\naccuracy = 0.5\n",
        "utf-8",
    )
    job = read_job(path)
    assert type(job).model_validate_json(job.model_dump_json()) == job
