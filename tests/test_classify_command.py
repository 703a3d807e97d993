"""What `watcher classify` prints, and which model it takes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import homes
import pytest
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.home import Home
from watcher.models.importing import import_model
from watcher.models.registry import Registry


def classify(*args: str | Path, home: Path, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "classify", *map(str, args)], env=environment)


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return homes.make(tmp_path / "home", tiny_home_models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures and a text."""
    homes.drop(tmp_path / "in", "a.png", homes.picture("red"))
    homes.drop(tmp_path / "in", "s/b.png", homes.picture("blue"))
    homes.drop(tmp_path / "in", "x.png", b"just text")
    return tmp_path / "in"


def test_as_json_each_picture_has_its_best_labels(home: Home, folder: Path) -> None:
    """As many as are asked for; what cannot be read has an error instead, and is not the command's."""
    found = rows(classify(folder, "--format", "json", "--top", "2", home=home.root))
    assert [row["path"] for row in found] == [str(folder / name) for name in ("a.png", "s/b.png", "x.png")]
    assert [row.get("label") for row in found] == ["red", "blue", None]
    for row in found[:2]:
        assert list(row) == ["path", "model", "model_version", "label", "score", "top"]
        assert len(row["top"]) == 2
        assert row["top"][0] == {"label": row["label"], "score": row["score"]}
        assert row["top"][0]["score"] > row["top"][1]["score"] > 0
    assert list(found[2]) == ["path", "model", "model_version", "error"]
    assert "it is text" in found[2]["error"]


def test_as_csv_and_as_a_table_each_picture_has_a_line(home: Home, folder: Path) -> None:
    """With the next labels beside the best one."""
    table = classify(folder, home=home.root).stdout
    found = list(csv.DictReader(io.StringIO(classify(folder, "--format", "csv", home=home.root).stdout)))
    assert [(row["label"], row["next"].count(",")) for row in found] == [("red", 1), ("blue", 1), ("", 0)]
    for row in found:
        [line] = [line for line in table.splitlines() if row["path"] in line]
        assert row["label"] in line and row["next"] in line and row["error"] in line
    single = classify(folder / "a.png", "--top", "1", "--format", "csv", home=home.root).stdout
    assert single.splitlines()[0] == "path,model,model_version,label,score,error"


def test_if_no_picture_could_be_read_the_exit_code_says_so(home: Home, folder: Path) -> None:
    """One good picture is enough for a 0."""
    assert classify(folder / "x.png", home=home.root).exit_code == 1
    assert classify(folder / "x.png", folder / "a.png", home=home.root).exit_code == 0


def test_copies_of_another_time_are_not_classified_again(home: Home, folder: Path) -> None:
    """Also where they stand among the pictures."""
    for _ in range(2):
        found = rows(classify(folder, "--format", "json", "--annotate", folder / "seen", home=home.root))
        assert [row["path"] for row in found] == [str(folder / name) for name in ("a.png", "s/b.png", "x.png")]
    again = rows(classify(folder / "a.png", "--format", "json", "--annotate", folder, home=home.root))
    assert [row["label"] for row in again] == ["red"]


def test_annotated_copies_go_where_they_are_asked_for(home: Home, folder: Path, tmp_path: Path) -> None:
    """And nowhere else: the home stays as it was."""
    before = homes.paths(home.root)
    classify(folder, "--annotate", tmp_path / "out", home=home.root)
    assert homes.paths(tmp_path / "out") == {"a.png", "s/b.png"}
    assert homes.paths(home.root) == before


def test_the_model_can_be_chosen(home: Home, folder: Path, tmp_path: Path, tiny_home_models: Path) -> None:
    """Without a choice it is the home's default."""
    registry = Registry(tmp_path / "models")
    for name in ("tiny", "other"):
        import_model(registry, name, tiny_home_models / "tiny/1", homes.NOON)
    home = homes.make(tmp_path / "second", registry.root)
    picture = folder / "a.png"
    assert rows(classify(picture, "--format", "json", home=home.root))[0]["model"] == "tiny"
    assert rows(classify(picture, "--format", "json", "--model", "other", home=home.root))[0]["model"] == "other"
    missing = classify(picture, "--model", "none", home=home.root)
    assert missing.exit_code == 1
    assert missing.stderr.startswith("watcher: there is no model none")


def test_no_home_is_needed(folder: Path, tmp_path: Path) -> None:
    """The model is then kept in the user's cache, made at the first call."""
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    [row] = rows(classify(folder / "a.png", "--format", "json", home=tmp_path, environment=environment))
    assert row["model"] == "efficientnet-lite0"
    assert Registry(tmp_path / "cache/watcher/models").has("efficientnet-lite0")


def test_a_folder_without_pictures_is_told(home: Home, tmp_path: Path) -> None:
    """Instead of an empty table."""
    empty = classify(tmp_path / "home/jobs", home=home.root)
    assert empty.exit_code == 1
    assert empty.stderr == f"watcher: there are no pictures in {tmp_path / 'home/jobs'}\n"


def test_a_folder_that_cannot_be_written_is_one_line(home: Home, folder: Path, tmp_path: Path) -> None:
    """The copies were asked for, so that they fail is the command's fault."""
    (tmp_path / "out").touch()
    done = classify(folder, "--annotate", tmp_path / "out/below", home=home.root)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "Not a directory" in done.stderr
