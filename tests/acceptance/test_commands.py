"""The real commands, one after the other, as a person or a script runs them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import homes
import pytest

from watcher.home import Home
from watcher.results.queries import COLUMNS
from watcher.settings import load

STATES = ("waiting", "claimed", "done", "failed", "duplicate", "vanished", "superseded")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    """A home whose daemon has emptied the inbox once. Do not change it."""
    home = homes.make(tmp_path_factory.mktemp("home"), tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    homes.drop(home.inbox, "s/b.png", homes.picture("blue"))
    homes.drop(home.inbox, "s/t/c.png", homes.picture("green"))
    homes.drop(home.inbox, "copy of a.png", homes.picture("red"))
    homes.drop(home.inbox, "bad.png", b"text")
    done = homes.watcher("run", "--once", home=home.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for line in done.stderr.splitlines():  # away from a terminal the log is JSON, all of it
        json.loads(line)
    return home


def test_init_makes_a_home_and_never_overwrites(tmp_path: Path) -> None:
    """Its settings file can be read; a second call changes nothing, in the current folder by default."""
    made = homes.watcher("init", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "watcher.toml", "inbox", "outbox", "done", "failed", "corrections", "jobs", "models",
        ".watcher-id", ".watcher.lock", ".watcher.note",
    }  # fmt: skip
    assert load(tmp_path / "watcher.toml").models.default == "xception"
    (tmp_path / "watcher.toml").write_text('[models]\ndefault = "mine"\n')
    again = homes.watcher("init", home=tmp_path)
    assert "nothing was changed" in again.stdout
    assert (tmp_path / "watcher.toml").read_text() == '[models]\ndefault = "mine"\n'


def test_the_home_is_where_the_environment_says(home: Home, tmp_path: Path) -> None:
    """WATCHER_HOME, unless --home says otherwise."""
    environment = os.environ | {"WATCHER_HOME": str(home.root)}
    assert "copy of a.png" in homes.watcher("results", cwd=tmp_path, env=environment).stdout
    other = homes.watcher("results", home=tmp_path, env=environment)
    assert other.returncode == 1


def test_results_as_json_are_objects_with_the_columns_of_the_view(home: Home) -> None:
    """Newest first."""
    rows = homes.watcher_json("results", home=home.root)
    assert all(tuple(row) == COLUMNS for row in rows)
    assert {row["path"]: row["label"] for row in rows if row["state"] == "done" and row["path"] != "a.png"}.items() >= {
        "s/b.png": "blue",
        "s/t/c.png": "green",
    }.items()
    assert sorted(row["state"] for row in rows) == ["done", "done", "done", "duplicate", "failed"]
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)


def test_results_as_csv_and_as_a_table_say_the_same(home: Home) -> None:
    """CSV has every column, a table those that a person needs, and is not cut away from a terminal."""
    rows = homes.watcher_json("results", home=home.root)
    table = homes.watcher("results", home=home.root)
    found = list(csv.DictReader(io.StringIO(homes.watcher("results", "--format", "csv", home=home.root).stdout)))
    assert [row["path"] for row in found] == [row["path"] for row in rows]
    assert tuple(found[0]) == COLUMNS
    for row in rows:
        [line] = [line for line in table.stdout.splitlines() if line.split()[:1] == [str(row["id"])]]
        assert row["path"] in line
        assert (row["reason"] or "") in line


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--label", "blue"], {"s/b.png"}),
        (["--group", "s"], {"s/b.png", "s/t/c.png"}),
        (["--state", "failed"], {"bad.png"}),
        (["--model", "tiny", "--state", "done", "--label", "green"], {"s/t/c.png"}),
        (["--min-score", "1"], set()),
        (["--max-score", "0"], set()),
        (["--since", "2000-01-01", "--until", "2000-01-02T00:00:00Z"], set()),
        (["--limit", "0"], set()),
    ],
)
def test_results_can_be_asked_for(home: Home, options: list[str], paths: set[str]) -> None:
    """Each option leaves those that fit."""
    assert {row["path"] for row in homes.watcher_json("results", *options, home=home.root)} == paths


def test_status_adds_up(home: Home) -> None:
    """As JSON, as CSV and for people."""
    found = homes.watcher_json("status", home=home.root)
    assert {name: found[name] for name in STATES if found[name]} == {"done": 3, "duplicate": 1, "failed": 1}
    assert found["total"] == sum(found[name] for name in STATES) == 5
    [row] = csv.DictReader(io.StringIO(homes.watcher("status", "--format", "csv", home=home.root).stdout))
    assert {name: int(row[name]) for name in STATES} == {name: found[name] for name in STATES}
    assert "No daemon runs" in homes.watcher("status", home=home.root).stdout


def test_status_tells_what_waits_and_what_is_left_alone(tmp_path: Path, tiny_home_models: Path) -> None:
    """In words, each with its reason."""
    home = homes.make(tmp_path, tiny_home_models, models={"default": "absent", "routes": {}})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    (home.inbox / "notes.txt").touch()
    told = homes.watcher("status", home=home.root).stdout
    assert "1 picture waiting for a model: there is no model absent: bring one" in told
    assert "notes.txt: its name does not end like a picture's" in told


def test_once_with_a_missing_model_does_the_rest_and_says_what_waits(tmp_path: Path, tiny_home_models: Path) -> None:
    """A script sees from the exit code that not all is done."""
    home = homes.make(tmp_path, tiny_home_models, models={"default": "tiny", "routes": {"cells": "smears"}})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    homes.drop(home.inbox, "cells/b.png", homes.picture("red"))
    done = homes.watcher("run", "--once", home=home.root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "watcher: 1 picture still waiting: there is no model smears: bring one with `watcher models import smears PATH`, "
        "or train it with `watcher train FOLDER --model smears`"
    )
    assert [row["path"] for row in homes.watcher_json("results", home=home.root)] == ["a.png"]


def test_classify_agrees_with_the_daemon(home: Home, tmp_path: Path) -> None:
    """The same files, the same labels, the same scores to 1e-4; what cannot be read has an error instead."""
    rows = {row["path"]: row for row in homes.watcher_json("results", home=home.root)}
    found = homes.watcher_json("classify", home.done, home.failed, "--top", "1", "--annotate", tmp_path, home=home.root)
    for result in found:
        path = Path(result["path"])
        row = rows[str(path.relative_to(home.failed if path.is_relative_to(home.failed) else home.done))]
        assert (result["model"], result["model_version"]) == ("tiny", 1)
        if row["state"] == "failed":
            assert set(result) == {"path", "model", "model_version", "error"}
            assert result["error"] == row["reason"]
        else:
            assert set(result) == {"path", "model", "model_version", "label", "score", "top"}
            assert result["label"] == row["label"]
            assert result["score"] == pytest.approx(row["score"], abs=1e-4)
            assert result["top"] == [{"label": result["label"], "score": result["score"]}]
    assert len(found) == 5
    assert homes.paths(tmp_path) == {"a.png", "copy of a.png", "s/b.png", "s/t/c.png"}


def test_progress_is_shown_where_there_is_a_terminal(tmp_path: Path, tiny_home_models: Path) -> None:
    """`run --once` draws a bar instead of its log."""
    home = homes.make(tmp_path, tiny_home_models)
    for seed in range(3):
        homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "run", "--once"]
    shown = b""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=end) as process:
        os.close(end)
        try:
            while chunk := os.read(terminal, 65536):
                shown += chunk
        except OSError:  # Linux' way to say that the other end is closed
            pass
    os.close(terminal)
    assert process.returncode == 0
    assert b"Classifying" in shown
    assert b"3/3" in shown
    assert b"watching" not in shown
