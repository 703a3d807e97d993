"""What a home is doing: every picture counted once, everything left alone explained."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path

import homes
import pytest
from click.testing import CliRunner

from watcher.cli.main import main
from watcher.errors import HomeError
from watcher.home import Home
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import look
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.service.finishing import Finisher
from watcher.service.identity import identity
from watcher.service.status import MOST_EXPLAINED, Status, status

STATES = ("waiting", "claimed", "done", "failed", "duplicate", "vanished", "superseded")


def counts(found: Status) -> dict[str, int]:
    """The states that have any pictures; they add up."""
    values = {name: getattr(found, name) for name in STATES}
    assert sum(values.values()) == found.total
    return {name: value for name, value in values.items() if value}


def test_a_new_home_has_nothing(tmp_path: Path, tiny_home_models: Path) -> None:
    """No database is needed for that, and none is made."""
    home = homes.make(tmp_path, tiny_home_models)
    found = status(home)
    assert counts(found) == {}
    assert (found.daemon, found.models_missing, found.left_alone) == (None, (), 0)
    assert not (home.root / "watcher.db").exists()


def claim(home: Home, path: str) -> None:
    claims = ClaimFolder(home.inbox, "abcdefgh")
    claims.make()
    seen = look(home.inbox, path)
    assert seen and claims.claim(seen)


def test_every_picture_is_counted_once(tmp_path: Path, tiny_home_models: Path) -> None:
    """Waiting, in work (whoever's work it is), or in one of the states that a row can have."""
    home = homes.make(tmp_path, tiny_home_models)
    for name, data in [
        ("a.png", homes.picture("red")),
        ("b.png", homes.picture("red")),
        ("c.png", homes.picture("blue")),
        ("d.png", b"text"),
    ]:
        homes.drop(home.inbox, name, data)
    homes.run_once(home)
    for seed in range(3):
        homes.drop(home.inbox, f"s/{seed}.png", homes.picture("green", seed))
    claim(home, "s/1.png")
    assert counts(status(home)) == {"done": 2, "duplicate": 1, "failed": 1, "waiting": 2, "claimed": 1}


def test_pictures_in_work_are_counted_before_there_is_a_database(tmp_path: Path, tiny_home_models: Path) -> None:
    """The claim folder alone tells of them."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    claim(home, "a.png")
    assert counts(status(home)) == {"claimed": 1}


def test_a_recorded_picture_that_was_not_yet_moved_is_not_counted_twice(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its row and its move it is both in the claim folder and done."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    with monkeypatch.context() as patch:
        patch.setattr(Finisher, "put_away", lambda *_: None)
        homes.run_once(home)
    assert len(homes.paths(home.inbox)) == 1
    assert counts(status(home)) == {"done": 1}


def test_kept_originals_are_not_waiting(tmp_path: Path, tiny_home_models: Path) -> None:
    """They lie in the inbox, done; new content under the name of one waits."""
    home = homes.make(tmp_path, tiny_home_models, intake={"originals": "keep"})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    homes.drop(home.inbox, "b.png", homes.picture("blue"))
    homes.run_once(home)
    assert counts(status(home)) == {"done": 2}
    homes.drop(home.inbox, "a.png", homes.picture("green"))
    assert counts(status(home)) == {"done": 2, "waiting": 1}


def test_it_adds_up_while_a_daemon_works(tmp_path: Path, tiny_home_models: Path) -> None:
    """However often one looks, each picture is somewhere, and nowhere twice."""
    home = homes.make(tmp_path, tiny_home_models, inference={"batch_size": 4})
    homes.run_once(home)
    for seed in range(150):
        homes.drop(home.inbox, f"{seed % 7}/{seed}.png", homes.picture("red", seed))
    seen: list[dict[str, int]] = []
    with homes.daemon_thread(home):
        homes.wait_for(lambda: seen.append(counts(status(home))) or seen[-1].get("done") == 150, "all are done")
    assert {sum(values.values()) for values in seen} == {150}
    assert any("claimed" in values for values in seen)


def test_missing_models_are_named_with_those_who_wait_for_them(tmp_path: Path, tiny_home_models: Path) -> None:
    """And with what to do; a route without pictures is no trouble, a missing default always is."""
    home = homes.make(
        tmp_path,
        tiny_home_models,
        models={"default": "xception", "routes": {"t": "tiny", "cells": "smears", "none": "unused"}},
    )
    for name in ("t/a.png", "cells/a.png", "cells/s/b.png"):
        homes.drop(home.inbox, name, homes.picture("red"))
    found = status(home)
    assert counts(found) == {"waiting": 3}
    assert [(wait.model, wait.pictures) for wait in found.models_missing] == [("smears", 2), ("xception", 0)]
    assert "watcher models import smears PATH" in found.models_missing[0].reason
    assert "watcher models fetch xception" in found.models_missing[1].reason


def test_a_damaged_model_is_an_obstacle_too(tmp_path: Path, tiny_home_models: Path) -> None:
    """Its pictures wait, and the reason names the file."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models, models)
    (models / "tiny/1/model.json").write_text("{")
    home = homes.make(tmp_path, models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    [wait] = status(home).models_missing
    assert wait.pictures == 1
    assert "model.json" in wait.reason


def test_what_is_left_alone_is_explained(tmp_path: Path, tiny_home_models: Path) -> None:
    """In clean text; half-written files are not worth a word."""
    home = homes.make(tmp_path, tiny_home_models)
    (home.inbox / "notes.txt").write_text("x")
    (home.inbox / "link.png").symlink_to("/etc/hostname")
    (home.inbox / "x.jpg").mkdir()
    os.mkfifo(home.inbox / "pipe.png")
    (home.inbox / os.fsdecode(b"caf\xe9.doc")).write_text("x")
    (home.inbox / "a.jpg.part").write_text("x")
    found = status(home)
    reasons = {item.path: item.reason for item in found.left_alone_first}
    assert found.left_alone == len(reasons) == 5
    assert reasons["notes.txt"].startswith("its name does not end like a picture's")
    assert "symbolic link" in reasons["link.png"]
    assert reasons["pipe.png"] == "not a regular file"
    assert reasons["x.jpg"].startswith("a folder")
    assert "caf%E9.doc" in reasons
    assert found.total == 0


def test_only_the_first_of_many_left_alone_are_explained(tmp_path: Path, tiny_home_models: Path) -> None:
    """The others are counted."""
    home = homes.make(tmp_path, tiny_home_models)
    for number in range(MOST_EXPLAINED + 5):
        (home.inbox / f"{number}.txt").touch()
    found = status(home)
    assert (found.left_alone, len(found.left_alone_first)) == (MOST_EXPLAINED + 5, MOST_EXPLAINED)


def test_a_running_daemon_is_named(tmp_path: Path, tiny_home_models: Path) -> None:
    """With its process, so that it can be ended."""
    home = homes.make(tmp_path, tiny_home_models)
    with homes.daemon_thread(home):
        assert f"process {os.getpid()} on " in homes.wait_for(lambda: status(home).daemon, "the daemon has the lock")
    assert status(home).daemon is None


def test_an_inbox_that_is_away_is_a_clear_fault(tmp_path: Path, tiny_home_models: Path) -> None:
    """Instead of a count of nothing."""
    home = homes.make(tmp_path, tiny_home_models)
    home.inbox.rmdir()
    with pytest.raises(HomeError, match="cannot be read: No such file or directory; is its share mounted"):
        status(home)


def test_a_status_is_plain_values(tmp_path: Path, tiny_home_models: Path) -> None:
    """So that it can be printed as JSON as it is."""
    import json

    home = homes.make(tmp_path, tiny_home_models)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
    assert json.loads(json.dumps(asdict(status(home))))["total"] == 0


def test_jobs_are_told_with_when_they_run_and_how_it_went(tmp_path: Path, tiny_home_models: Path) -> None:
    """And what is wrong with a file; one that never runs by itself says why."""
    home = homes.make(tmp_path, tiny_home_models)
    for name, text in {
        "off": 'model = "tiny"\nschedule = "@daily"\nenabled = false',
        "plain": 'model = "tiny"',
        "wrong": "model = 1",
        "yearly": 'model = "tiny"\nschedule = "@yearly"\ntimezone = "Europe/Berlin"',
    }.items():
        (home.jobs / f"{name}.toml").write_text(text, "utf-8")
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        run = RunBook(database, identity(home.root)).add("plain", "tiny", homes.NOON)
    found = {job.job: job for job in status(home).jobs}
    assert found["yearly"].next is not None and found["yearly"].next.endswith("-01-01T00:00+01:00")
    assert (found["plain"].last_run, found["plain"].last_state) == (run.id, "queued")
    lines = CliRunner().invoke(main, ["--home", str(home.root), "status"]).stdout.splitlines()
    said = [line for line in lines if line.startswith("The job ")]
    assert said[0] == "The job off is not enabled."
    assert said[1] == f"The job plain has no schedule; run {run.id}, its last, is queued."
    assert said[2].startswith("The job wrong has faults, see `watcher jobs validate wrong`: ")
    assert said[3] == f"The job yearly runs next at {found['yearly'].next}."
