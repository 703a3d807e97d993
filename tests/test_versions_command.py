"""What `watcher models promote`, `rollback` and `which` print and do."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import homes
import pytest
from click.testing import CliRunner, Result
from versions import NOON, after, two_versions

from watcher.cli.main import main
from watcher.home import Home
from watcher.models.package import TrainedOn
from watcher.models.registry import Registry
from watcher.results import Database, Finished, ModelVersion, State


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """With tiny/1, current, and tiny/2; each has classified a picture, at noon and at five past, UTC."""
    two_versions(tmp_path / "models", tiny_home_models)
    home = homes.make(tmp_path / "home", tmp_path / "models")
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        database.record([
            Finished(
                claim=f"claim-{number}",
                name="a.png",
                path="a.png",
                model=ModelVersion(model="tiny", version=number, digest=f"{number}" * 64, engine="graph"),
                state=State.DONE,
                received_at=NOON,
                finished_at=after(5 * (number - 1)),
            )
            for number in (1, 2)
        ])  # fmt: skip
    return home


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is three hours ahead of UTC."""
    monkeypatch.setenv("TZ", "EAT-3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def models(home: Home, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "models", *args])


def test_a_version_is_promoted_and_rolled_back(home: Home) -> None:
    """Each says what was before; what is current already is no fault."""
    assert models(home, "promote", "tiny", "2").stdout == "tiny/2 is current now; before it was tiny/1.\n"
    assert models(home, "promote", "tiny", "2").stdout == "tiny/2 is current already.\n"
    assert Registry(home.models).current("tiny").id == "tiny/2"
    assert models(home, "rollback", "tiny").stdout == "tiny/1 is current now; before it was tiny/2.\n"
    (home.models / "tiny/current").write_text("?")
    said = models(home, "promote", "tiny", "1").stdout
    assert said == "tiny/1 is current now; before it was none that could be read.\n"


def test_what_cannot_be_promoted_is_one_line(home: Home) -> None:
    """A fault of the world is 1, a mistaken command 2; the current version stays."""
    (home.models / "tiny/2/model.keras").write_bytes(b"")
    done = models(home, "promote", "tiny", "2")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "was changed since it was stored" in done.stderr
    assert models(home, "promote", "tiny", "7").exit_code == 1
    assert models(home, "promote", "tiny", "latest").exit_code == 2
    assert models(home, "rollback", "tiny").exit_code == 1
    assert Registry(home.models).current("tiny").id == "tiny/1"


@pytest.mark.parametrize(
    ("at", "version"),
    [
        ("2025-11-23T15:04", 1),
        ("2025-11-23 15:05:00", 2),
        ("2025-11-23T12:04Z", 1),
        ("2025-11-23T12:05:00+00:00", 2),
        ("2025-11-24", 2),
    ],
)
def test_which_takes_a_time_of_this_machine_or_of_a_zone(home: Home, zone: None, at: str, version: int) -> None:
    """Without a zone it is the local one."""
    [row] = json.loads(models(home, "which", "tiny", "--at", at, "--format", "json").stdout)
    assert row == {
        "model": "tiny",
        "version": version,
        "digest": str(version) * 64,
        "classified_at": f"2025-11-23T12:0{5 * (version - 1)}:00.000000Z",
        "first_used_at": f"2025-11-23T12:0{5 * (version - 1)}:00.000000Z",
        "last_used_at": f"2025-11-23T12:0{5 * (version - 1)}:00.000000Z",
    }


def test_which_says_the_moment_in_both_zones(home: Home, zone: None) -> None:
    """So that nobody mistakes one for the other; a script gets rows alone."""
    done = models(home, "which", "tiny", "--at", "2025-11-23T15:04")
    first = done.stdout.splitlines()[0]
    assert first == "At 2025-11-23 15:04:00+03:00 (2025-11-23T12:04:00Z) tiny/1 was classifying."
    assert "1" * 12 in done.stdout
    assert len(list(csv.DictReader(io.StringIO(models(home, "which", "tiny", "--format", "csv").stdout)))) == 1


def test_which_without_a_time_means_now(home: Home) -> None:
    """The version of the last picture that there is."""
    [row] = json.loads(models(home, "which", "tiny", "--format", "json").stdout)
    assert row["version"] == 2


@pytest.mark.parametrize(
    ("name", "at", "said"),
    [
        ("tiny", "2025-11-23T11:59Z", "2025-11-23T11:59:00Z) or before; its first was at 2025-11-23T12:00:00.000000Z"),
        ("cats", "2025-11-23T11:59Z", "no picture was classified by cats at "),
    ],
)
def test_which_has_no_answer_before_the_first_picture(home: Home, name: str, at: str, said: str) -> None:
    """It says so, and when the first was."""
    done = models(home, "which", name, "--at", at)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


@pytest.mark.parametrize("at", ["noon", "2025-13-01", "0001-01-01", ""])
def test_a_time_that_is_none_is_a_wrong_usage(home: Home, zone: None, at: str) -> None:
    """With an example of one."""
    done = models(home, "which", "tiny", "--at", at)
    assert done.exit_code == 2
    assert "write a time like 2026-11-23" in done.stderr


def test_which_before_the_first_start_says_that_there_is_nothing(tmp_path: Path, tiny_home_models: Path) -> None:
    """A home without a database is no reason for a traceback."""
    done = models(homes.make(tmp_path, tiny_home_models), "which", "tiny", "--at", "2025-11-23")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


def test_show_tells_from_what_a_model_was_made(home: Home) -> None:
    """Its positive label, its data and its settings, where the card has them."""
    registry = Registry(home.models)
    made = TrainedOn(data_digest="ab" * 32, pictures=27558, groups=200, seed=7, settings={"base": "vgg16", "epochs": 9})
    registry.install_package("tiny", registry.current("tiny"), NOON, positive_label="red", trained_on=made)
    lines = [" ".join(line.split()) for line in models(home, "show", "tiny").stdout.splitlines()]
    assert {
        "positive label red",
        "trained on 27,558 pictures in 200 groups, seed 7",
        f"data digest {'ab' * 32}",
        "settings base vgg16, epochs 9",
    } <= set(lines)
    card = json.loads(models(home, "show", "tiny", "--format", "json").stdout)
    assert (card["positive_label"], card["trained_on"]["seed"]) == ("red", 7)
    assert os.path.basename(card["folder"]) == "3"
