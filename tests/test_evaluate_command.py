"""`watcher models evaluate`: from a folder to figures and a report."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import homes
import numpy as np
import pytest
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.home import Home
from watcher.models.package import import_keras
from watcher.models.registry import Registry


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return homes.make(tmp_path / "home", tiny_home_models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures of four slides, one of them under a wrong label, and one that is none."""
    for number in range(12):
        label = ("red", "green", "blue")[number % 3]
        homes.drop(tmp_path / "in", f"{label}/C{number % 4}-{number}.png", homes.picture(label, number))
    homes.drop(tmp_path / "in", "red/C9-wrong.png", homes.picture("blue", 99))
    homes.drop(tmp_path / "in", "red/C9-text.png", b"just text")
    return tmp_path / "in"


def evaluate(*args: str | Path, home: Home) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "models", "evaluate", *map(str, args)])


def test_the_real_command_prints_figures_and_writes_the_report(home: Home, folder: Path) -> None:
    """With intervals over the groups that the names say; what could not be read is told."""
    done = homes.watcher("models", "evaluate", "tiny", folder, "--group-by", r"^C(\d+)", home=home.root)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Of 100 pictures it names 92.3 rightly (with 95 % certainty between" in done.stdout
    assert "balanced accuracy" in done.stdout and "0.9231" in done.stdout
    assert "13 pictures of 5 groups, 1 wrong" in done.stdout
    assert "C9-text.png: it is text" in done.stdout
    assert done.stdout.endswith("The report: evaluation-tiny-1/report.html\n")
    written = json.loads(Path("evaluation-tiny-1/metrics.json").read_text())
    assert written["facts"]["Model"] == "tiny/1, made from mean colour"
    assert [group["group"] for group in written["each_group"]] == ["0", "1", "2", "3", "9"]


def test_as_json_it_prints_what_it_writes(home: Home, folder: Path) -> None:
    """And where the report is."""
    done = evaluate("tiny", folder, "--format", "json", home=home)
    printed = json.loads(done.stdout)
    report = Path(printed.pop("report"))
    assert report.is_file()
    assert printed == json.loads((report.parent / "metrics.json").read_text())
    assert printed["accuracy"]["value"] == pytest.approx(12 / 13)


def test_an_earlier_report_is_kept(home: Home, folder: Path) -> None:
    """Without --output each report gets a folder of its own."""
    for _ in range(3):
        assert evaluate("tiny", folder, home=home).exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == [
        "evaluation-tiny-1",
        "evaluation-tiny-1-2",
        "evaluation-tiny-1-3",
    ]


def test_with_output_a_report_is_replaced_and_nothing_else(home: Home, folder: Path) -> None:
    """A folder with anything of a person's in it is left alone, before a model is loaded."""
    first = evaluate("tiny", folder, "--output", "out", home=home)
    again = evaluate("tiny", folder, "--output", "out", home=home)
    assert (first.exit_code, again.exit_code) == (0, 0)
    Path("out/thesis.txt").write_text("mine")
    before = Path("out/metrics.json").stat().st_mtime_ns
    refused = evaluate("tiny", folder, "--output", "out", home=home)
    assert refused.exit_code == 1
    assert refused.stderr == "watcher: out: holds other files than a report; name a new folder with --output\n"
    assert Path("out/metrics.json").stat().st_mtime_ns == before


def test_the_positive_label_is_said(home: Home, tmp_path: Path) -> None:
    """And where it comes from; another can be asked for, of an earlier version too."""
    keras = import_keras()
    pixels = keras.Input((16, 16, 3))
    dense = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(pixels, dense(keras.layers.GlobalAveragePooling2D()(pixels)))
    dense.set_weights([np.eye(3)[:, :2] / 50, np.zeros(2)])
    card = {"labels": ("red", "green"), "input_size": (16, 16), "resize": "squash", "base": "two"}
    registry = Registry(tmp_path / "models")
    for positive in ("green", None):
        more = {"weights": "none", "verified": False, "positive_label": positive}
        registry.install("two", model, card | more, homes.NOON)
    registry.promote("two", 2, homes.NOON)
    home = homes.make(tmp_path / "second", registry.root)
    for number in range(6):
        label = ("red", "green")[number % 2]
        homes.drop(tmp_path / "in", f"{label}/{number}.png", homes.picture(label, number))
    said = []
    for args in (("--version", "1"), (), ("--positive", "green")):
        found = json.loads(evaluate("two", tmp_path / "in", *args, "--format", "json", home=home).stdout)
        said.append(found["facts"]["Positive label"])
        assert found["sensitivity"]["value"] == 1
    assert said == ["green (as its card says)", "red (the last by name)", "green (as asked)"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("nobody",), 1, "there is no model nobody"),
        (("tiny", "--version", "7"), 1, "there is no version 7 of tiny"),
        (("tiny", "--group-by", "("), 1, "is no regular expression"),
        (("tiny", "--positive", "red"), 2, "tiny tells 3 labels apart"),
    ],
)
def test_what_cannot_be_is_one_line(home: Home, folder: Path, args: tuple[str, ...], code: int, message: str) -> None:
    """And leaves nothing behind."""
    done = evaluate(args[0], folder, *args[1:], home=home)
    assert (done.exit_code, done.stderr.count("\n")) == (code, 1)
    assert message in done.stderr
    assert list(Path().iterdir()) == []


def test_a_terminal_shows_how_far_it_is(home: Home, folder: Path) -> None:
    """And standard output stays what it is elsewhere."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "models", "evaluate", "tiny", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=homes.PATIENCE_SECONDS)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux' way to say that a terminal's other end is closed
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    assert b"Classifying" in shown
    assert b"100%" in shown
    assert b"Classifying" not in done.stdout


def test_a_folder_of_other_things_is_refused(home: Home, tmp_path: Path) -> None:
    """With both lists of labels."""
    homes.drop(tmp_path / "cells", "ill/1.png", homes.picture())
    done = evaluate("tiny", tmp_path / "cells", home=home)
    assert done.exit_code == 1
    assert "they are ill, and it knows red, green, blue; rename the folders" in done.stderr
