"""What `watcher models …` prints and does."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import homes
import pytest
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.home import Home
from watcher.models.registry import Registry


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return homes.make(tmp_path / "home", tmp_path / "models")


def models(home: Home, *args: str | Path) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "models", *map(str, args)])


def test_a_model_is_imported_listed_and_shown(home: Home, tiny_home_models: Path) -> None:
    """Each import is a version, the newest is current; that nothing vouches for it is said everywhere."""
    package = tiny_home_models / "tiny/1"
    for version in (1, 2):
        done = models(home, "import", "mine", package)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"mine/{version} is ready: ")
        assert "Nothing vouches for these weights" in done.stderr
    rows = json.loads(models(home, "list", "--format", "json").stdout)
    assert [(row["model"], row["version"], row["current"], row["labels"]) for row in rows] == [
        ("mine", 1, False, 3),
        ("mine", 2, True, 3),
    ]
    assert all("unverified" in row["weights"] for row in rows)
    assert len(list(csv.DictReader(io.StringIO(models(home, "list", "--format", "csv").stdout)))) == 2
    table = models(home, "show", "mine").stdout
    assert "mine/2" in table and "red, green, blue" in table and "weights unverified" in table
    card = json.loads(models(home, "show", "mine", "--format", "json").stdout)
    assert (card["name"], card["version"], card["labels"]) == ("mine", 2, ["red", "green", "blue"])
    assert card["folder"] == str(home.models / "mine/2")


def test_a_keras_file_is_imported_with_its_labels(home: Home, tiny_home_models: Path, tmp_path: Path) -> None:
    """One a line, in the order of the outputs."""
    (tmp_path / "labels.txt").write_text("rot\ngrün\nblau\n", "utf-8")
    file = tiny_home_models / "tiny/1/model.keras"
    done = models(home, "import", "farben", file, "--labels", tmp_path / "labels.txt", "--resize", "crop")
    assert done.exit_code == 0, done.output
    card = Registry(home.models).current("farben").card
    assert (card.labels, card.resize) == (("rot", "grün", "blau"), "crop")


def test_a_built_in_model_is_fetched(home: Home) -> None:
    """Its thousand labels are not all printed."""
    assert models(home, "fetch", "efficientnet-lite0").stdout == "efficientnet-lite0/1 is ready.\n"
    shown = models(home, "show", "efficientnet-lite0").stdout
    assert "… (1000 in all)" in shown
    assert "weights unverified" not in shown


def test_what_is_not_built_in_cannot_be_fetched(home: Home) -> None:
    """The fault names what can."""
    done = models(home, "fetch", "resnet")
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert "efficientnet-lite0" in line and "xception" in line


def test_a_home_without_models_has_an_empty_list(home: Home) -> None:
    """That is no fault."""
    assert models(home, "list", "--format", "json").stdout == "[]\n"


def test_a_damaged_model_does_not_hide_the_others(home: Home, tiny_home_models: Path) -> None:
    """It is told beside the list."""
    for name in ("good", "bad"):
        models(home, "import", name, tiny_home_models / "tiny/1")
    (home.models / "bad/1/model.json").write_text("{")
    done = models(home, "list", "--format", "json")
    assert [row["model"] for row in json.loads(done.stdout)] == ["good"]
    assert str(home.models / "bad/1/model.json") in done.stderr
