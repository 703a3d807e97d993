"""`watcher test`: a random picture, its truth beside what the model says of it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import homes
import pytest
from click.testing import CliRunner, Result

from watcher.cli import testing
from watcher.cli.main import main
from watcher.home import Home
from watcher.vision.encode import read_caption


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return homes.make(tmp_path / "home", tiny_home_models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of each of two labels, and one that is really blue."""
    for label in ("red", "green"):
        for number in range(5):
            homes.drop(tmp_path / "cells", f"{label}/s{number}_{label}.png", homes.picture(label, number))
    homes.drop(tmp_path / "cells", "red/s9_mistaken.png", homes.picture("blue"))
    return tmp_path / "cells"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No screen; and what is written into the current folder is the test's own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def call(home: Home, *args: str | Path) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "test", *map(str, args)])


def rows(home: Home, *args: str | Path) -> list[dict[str, Any]]:
    done = call(home, *args, "--format", "json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_truth_stands_beside_the_prediction(home: Home, folder: Path) -> None:
    """For all the pictures, each once; right is what agrees, and every annotated copy is there."""
    found = rows(home, folder, "--count", "11", "--group-by", r"s\d")
    assert len({row["path"] for row in found}) == 11
    for row in found:
        assert tuple(row) == testing.COLUMNS
        assert row["truth"] == Path(row["path"]).parent.name
        assert row["label"] == ("blue" if "mistaken" in row["path"] else row["truth"])
        assert row["right"] == ("mistaken" not in row["path"])
        assert (row["model"], row["model_version"], row["note"]) == ("tiny", 1, None)
        assert row["group"] == Path(row["path"]).name[:2]
        caption = read_caption(row["copy"])
        assert caption is not None and caption.label == row["label"]
    assert homes.paths(Path("tested")) == homes.paths(folder)


def test_the_copy_says_both(home: Home, folder: Path) -> None:
    """It is higher than one that says the prediction alone, and goes where it is asked for."""
    from PIL import Image

    [row] = rows(home, folder, "--annotate", "a/b")
    assert Path(row["copy"]).is_relative_to("a/b")
    assert CliRunner().invoke(
        main, ["--home", str(home.root), "classify", row["path"], "--annotate", "plain"]
    ).exit_code == 0  # fmt: skip
    with Image.open(row["copy"]) as told, Image.open(Path("plain") / Path(row["path"]).name) as plain:
        assert told.height > plain.height


def test_a_seed_draws_the_same_again(home: Home, folder: Path) -> None:
    """Without one, any picture can come."""
    drawn = [[row["path"] for row in rows(home, folder, "--count", "4", "--seed", seed)] for seed in ("7", "7", "8")]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({rows(home, folder)[0]["path"] for _ in range(10)}) > 1


def test_people_get_a_table_and_programs_csv(home: Home, folder: Path) -> None:
    """With a word for right or wrong, how many were right, and where the copies are."""
    done = call(home, folder, "--count", "11").stdout
    assert done.count(" right") == 10 + 1
    assert done.count(" wrong") == 1
    assert "10 of 11 right." in done
    assert done.count("Annotated: tested") == 11
    assert "note" not in done
    single = call(home, folder, "--seed", "1").stdout
    assert "of 1 right" not in single
    found = list(csv.DictReader(io.StringIO(call(home, folder, "--format", "csv").stdout)))
    assert [tuple(row) for row in found] == [testing.COLUMNS]


def test_a_picture_that_cannot_be_read_is_told_and_another_taken(home: Home, folder: Path, tmp_path: Path) -> None:
    """As many are shown as were asked for, while there are any."""
    for number in range(20):
        homes.drop(folder, f"green/bad{number}.png", b"text %d" % number)
    done = call(home, folder, "--count", "11", "--format", "json")
    assert len(json.loads(done.stdout)) == 11
    told = done.stderr.splitlines()
    assert told and all("it is text" in line and line.endswith("; trying another") for line in told)
    more = call(home, folder, "--count", "12", "--format", "json")
    assert len(json.loads(more.stdout)) == 11
    assert more.stderr.splitlines()[-1] == "watcher: there are no more than 11 pictures to try"
    for kind in ("red", "blue"):
        homes.drop(tmp_path / "bad", f"{kind}/x.png", b"text")
    none = call(home, tmp_path / "bad")
    assert none.exit_code == 1
    assert none.stderr.splitlines()[-1] == f"watcher: {tmp_path / 'bad'}: none of the 2 pictures can be read"


def test_a_label_that_the_model_does_not_know_is_told(home: Home, tmp_path: Path) -> None:
    """The prediction is shown all the same."""
    homes.drop(tmp_path / "odd", "Rot/a.png", homes.picture("red"))
    homes.drop(tmp_path / "odd", "blue/a.png", homes.picture("blue"))
    both = rows(home, tmp_path / "odd", "--count", "2")
    [row] = [row for row in both if row["truth"] == "Rot"]
    assert (row["label"], row["right"]) == ("red", False)
    assert row["note"] == "tiny knows no label Rot"
    assert "tiny knows no label Rot" in call(home, tmp_path / "odd", "--count", "2").stdout


@pytest.mark.parametrize("path", ["a.png", "slide-1/a.png"])
def test_a_folder_without_a_sub_folder_for_a_label_is_refused(home: Home, tmp_path: Path, path: str) -> None:
    """Nothing can be right or wrong there, which is no success; one sentence says what the folder should be."""
    homes.drop(tmp_path / "odd", path, homes.picture("red"))
    done = call(home, tmp_path / "odd")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "label" in done.stderr


def test_a_list_of_pictures_will_do(home: Home, folder: Path, tmp_path: Path) -> None:
    """Wherever its pictures lie."""
    (tmp_path / "list.csv").write_text("path,label\ncells/red/s1_red.png,red\n")
    [row] = rows(home, tmp_path / "list.csv")
    assert (row["truth"], row["right"], row["copy"]) == ("red", True, "tested/s1_red.png")


def test_copies_do_not_join_the_pictures_that_are_tested(
    home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Next time they would be drawn themselves: they go beside the folder, or it is said what to do."""
    done = call(home, folder, "--annotate", folder / "x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "name another place with --annotate DIR" in done.stderr
    assert not (folder / "x").exists()
    monkeypatch.chdir(folder)
    [row] = rows(home, ".")
    assert Path(row["copy"]).parent.parent == tmp_path / "tested"
    assert not (folder / "tested").exists()


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_folder_without_pictures_is_told(home: Home, tmp_path: Path, name: str) -> None:
    """In a line that says what to do."""
    (tmp_path / "empty").mkdir()
    done = call(home, tmp_path / name)
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.output
    assert name in done.stderr.splitlines()[-1]


@pytest.fixture
def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose viewer notes what it is given."""
    program, seen = tmp_path / "bin/xdg-open", tmp_path / "seen"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("DISPLAY", ":99")
    return seen


def at_a_terminal(home: Home, *args: str | Path) -> str:
    """What the real command shows to somebody who sits before it."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "test", *map(str, args)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=end, stderr=end) as process:
        os.close(end)
        shown = b""
        try:
            while chunk := os.read(terminal, 65536):
                shown += chunk
        except OSError:  # Linux' way to say that the other end is closed
            pass
    os.close(terminal)
    assert process.returncode == 0, shown
    return shown.decode()


def test_the_picture_is_shown_where_there_is_a_screen(home: Home, folder: Path, viewer: Path) -> None:
    """To a person; not to a script, unless it is asked for."""
    shown = at_a_terminal(home, folder)
    assert "Annotated: tested" in shown
    [path] = homes.wait_for(lambda: viewer.exists() and viewer.read_text().split(), "the viewer was called")
    assert path.lower().endswith(".png")
    viewer.unlink()
    assert "screen" not in call(home, folder).output
    assert "screen" not in call(home, folder, "--no-show").output
    assert not viewer.exists()


def test_without_a_screen_it_is_said_only_if_it_was_asked_for(home: Home, folder: Path) -> None:
    """The copies are saved in any case."""
    assert call(home, folder).stderr == ""
    asked = call(home, folder, "--show")
    assert asked.exit_code == 0
    assert asked.stderr.startswith("watcher: there is no screen")


def test_a_screen_without_a_viewer_is_none(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers often have the one and not the other."""
    from PIL import ImageShow

    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(ImageShow, "_viewers", [])
    assert call(home, folder, "--show").stderr.startswith("watcher: there is no screen, or no program")
