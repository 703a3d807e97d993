"""What the log says: for people or for programs, and never as much as there are pictures."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import homes
import pytest
import structlog
from structlog.testing import capture_logs

from watcher.cli import logs


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[logs.Form, bool], str]:
    """What a line is like in a form, and if the journal is to have it."""

    def write(form: logs.Form, journal: bool) -> str:
        with (tmp_path / "log").open("w+") as file:
            monkeypatch.setattr(sys, "stderr", file)
            status = os.fstat(file.fileno())
            monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino if journal else 0}")
            logs.configure(form)
            structlog.get_logger().error("it is full", path="a\x1b[31m.png")
        return (tmp_path / "log").read_text()

    return write


def test_a_program_gets_json(said: Callable[[logs.Form, bool], str]) -> None:
    """With the time, in UTC."""
    line = json.loads(said("auto", False))
    assert (line["event"], line["level"], line["path"]) == ("it is full", "error", "a\x1b[31m.png")
    assert line["timestamp"].endswith("Z")


def test_a_person_gets_plain_words(said: Callable[[logs.Form, bool], str]) -> None:
    """Without colours in a file, and without what a name could do to a terminal."""
    line = said("human", False)
    assert "it is full" in line and "error" in line
    assert "\x1b" not in line and line.count("\n") == 1


@pytest.mark.parametrize("form", ["auto", "human"])
def test_the_journal_gets_a_priority(said: Callable[[logs.Form, bool], str], form: logs.Form) -> None:
    """It takes it off again, and has times of its own."""
    line = said(form, True)
    assert line.startswith("<3>") and line.endswith("\n")
    assert form == "human" or json.loads(line.removeprefix("<3>"))["level"] == "error"
    assert form == "auto" or "20" not in line


def test_there_is_one_line_for_each_batch(tmp_path: Path, tiny_home_models: Path) -> None:
    """With its pictures, its model and its seconds; pictures that cannot be read make none of their own."""
    home = homes.make(tmp_path, tiny_home_models)
    for number in range(20):
        homes.drop(home.inbox, f"{number}.png", homes.picture(seed=number) if number % 2 else b"nothing")
    with capture_logs() as lines:
        rows = homes.run_once(home)
    batches = [line for line in lines if line["event"] == "batch"]
    assert sum(line["pictures"] for line in batches) == len(rows) == 20
    assert sum(line.get("failed", 0) for line in batches) == 10
    assert {line["model"] for line in batches} <= {"tiny/1", None} and all(line["seconds"] > 0 for line in batches)
    assert len(lines) - len(batches) <= 4  # the model, that it watches, that it has stopped
