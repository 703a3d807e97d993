"""The gate's floors: what a new model must show whatever the live one is worth, and how a file says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scores import drawn, of_two, scored

from watcher import toml_file
from watcher.errors import SettingsError
from watcher.jobs.gate import Gate, decide
from watcher.toml_file import Section
from watcher.training.metrics import Measure, measure
from watcher.training.wording import NAMES


class File(Section):
    gate: Gate = Gate()


def floors(**asked: float) -> Gate:
    return Gate(floors=asked)


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_has_a_floor(name: str) -> None:
    """A little below what it has it passes, a little above not; with a calibration error it is the other way."""
    some = drawn(200, 2, 10)
    value = getattr(measure(some, rounds=2), name).value
    better, worse = (value + 0.01, value - 0.01) if name == "calibration_error" else (value - 0.01, value + 0.01)
    assert decide(floors(**{name: better}), some, "m/1", None, None).passed
    found = decide(floors(**{name: worse}), some, "m/1", None, None)
    least = "at most" if name == "calibration_error" else "at least"
    reason = f"it has {NAMES[name]} {value:.3f}, and {least} {worse:.3f} is asked for"
    assert (found.passed, found.against) == (False, (reason,))
    assert found.sentence == f"refused m/1: {reason}"


def test_what_is_just_reached_is_reached() -> None:
    """Whatever rounding adds in the last place: three recalls of 0.7 have a mean of 0.6999999999999998."""
    truth = np.repeat([0, 1, 2], 10)
    said = np.where(np.arange(30) % 10 < 7, truth, (truth + 1) % 3)
    some = scored(truth.tolist(), np.eye(3)[said])
    value = measure(some, rounds=2).balanced_accuracy.value
    assert value is not None and value < 0.7
    gate = Gate(floors={"balanced_accuracy": 0.7}, label_floors={"label 0": 0.7, "label 2": 0.7})
    found = decide(gate, some, "m/1", None, None)
    assert found.passed and found.sentence.endswith("; it keeps its 3 limits")


@pytest.mark.parametrize("name", ["balanced_accuracy", "specificity", "roc_auc", "average_precision"])
def test_a_figure_that_cannot_be_told_is_not_reached(name: str) -> None:
    """Of pictures of one label there is no telling; nothing is taken on trust, not even that it is 0."""
    some = of_two([1, 1, 1, 1], [0.9, 0.8, 0.7, 0.6])
    assert getattr(measure(some, rounds=2), name) == Measure(value=None)
    found = decide(floors(**{name: 0.0}), some, "m/1", None, None)
    assert found.against == (
        f"it cannot show its {NAMES[name]}, for too few labels have held-out pictures, and at least 0 is asked for",
    )


def test_models_of_many_labels_have_no_sensitivity() -> None:
    """The reason says so, so that a person asks for another figure."""
    found = decide(floors(sensitivity=0.9), drawn(60, 3, 5), "m/1", None, None)
    assert "it cannot show its sensitivity, for only models of two labels have one" in found.sentence


def test_a_better_one_that_misses_one_labels_floor_is_kept_out() -> None:
    """More right on the whole, but fewer of those that must not be missed; the label and both numbers are told."""
    truth, groups = [1] * 25 + [0] * 75, [place % 10 for place in range(100)]
    live = of_two(truth, [0.9] * 25 + [0.9] * 25 + [0.1] * 50, groups)
    candidate = of_two(truth, [0.9] * 22 + [0.1] * 3 + [0.1] * 75, groups)
    assert decide(Gate(), candidate, "m/4", live, "m/3").passed
    found = decide(Gate(label_floors={"label 1": 0.9, "label 0": 0.9}), candidate, "m/4", live, "m/3")
    assert found.sentence == "kept m/3: candidate m/4 finds 88 of 100 label 1, and 90 are asked for"
    assert found.against == ("it finds 88 of 100 label 1, and 90 are asked for",)


def test_a_label_without_pictures_or_unknown_is_not_reached() -> None:
    """Each in its own words: what to do about them differs."""
    some = scored([0, 1, 1], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], labels=("cat", "cow", "dog"))
    found = decide(Gate(label_floors={"dog": 0.5, "Dog": 0.25, "cat": 1}), some, "m/1", None, None)
    assert found.against == (
        "it cannot show how many dog it finds, for no held-out picture is one, and 50 of 100 are asked for",
        "it does not know the label Dog, of which it is to find 25 of 100: it knows cat, cow, dog",
    )


def test_a_near_miss_shows_that_it_is_one() -> None:
    """With as many decimals as it takes."""
    score = np.array([0.9] * 4499 + [0.1] * 501 + [0.1] * 5000)
    some = of_two([1] * 5000 + [0] * 5000, score, np.arange(10_000) // 500)
    found = decide(Gate(floors={"sensitivity": 0.9}, label_floors={"label 1": 0.9}), some, "m/1", None, None)
    assert found.against == (
        "it has sensitivity 0.8998, and at least 0.9000 is asked for",
        "it finds 89.98 of 100 label 1, and 90.00 are asked for",
    )


def test_all_reasons_are_told_in_one_sentence() -> None:
    """The comparison's first, then the floors in the order of the file."""
    truth, groups = [0, 1] * 50, [place // 10 for place in range(100)]
    live, candidate = of_two(truth, [0.1, 0.9] * 50, groups), of_two(truth, [0.9, 0.9] * 50, groups)
    gate = Gate(floors={"roc_auc": 0.9, "accuracy": 0.4}, label_floors={"label 0": 0.8})
    found = decide(gate, candidate, "m/4", live, "m/3")
    assert found.sentence == (
        "kept m/3: candidate m/4 has balanced accuracy 0.500 against 1.000 on 100 held-out pictures of 10 groups "
        "(worse in 100 of 100 draws, and 50 are allowed), and on group 0 it misses 50 % more; and it has ROC AUC "
        "0.500, and at least 0.900 is asked for; and it finds 0 of 100 label 0, and 80 are asked for"
    )
    assert [reason[:7] for reason in found.against] == ["it has ", "it has ", "it find"]


def test_a_file_says_what_is_asked(tmp_path: Path) -> None:
    """All of it, with whole numbers too, and nothing is asked but not to be worse where it says nothing."""
    path = tmp_path / "job.toml"
    path.write_text(
        '[gate]\nmetric = "roc_auc"\ntolerance = 0.01\ndoubt = 0.2\n[gate.floors]\nsensitivity = 1\n'
        'calibration_error = 0.05\n[gate.label_floors]\n"Red Fox" = 0.9\n'
    )
    gate = toml_file.load(path, File).gate
    assert (gate.metric, gate.tolerance, gate.doubt) == ("roc_auc", 0.01, 0.2)
    assert (gate.floors, gate.label_floors) == ({"sensitivity": 1, "calibration_error": 0.05}, {"Red Fox": 0.9})
    path.write_text("")
    assert toml_file.load(path, File).gate == Gate(
        metric="balanced_accuracy", tolerance=0.0, doubt=0.5, floors={}, label_floors={}
    )


def test_every_fault_of_a_file_is_said_with_its_line(tmp_path: Path) -> None:
    """And which figures there are."""
    path = tmp_path / "job.toml"
    path.write_text(
        '[gate]\nmetric = "calibration_error"\ntolerance = 0.6\ndoubt = nan\n[gate.floors]\nroc_acu = 0.9\nxyz = 0.9\n'
        "accuracy = 90\n[gate.label_floors]\ncat = -0.1\n"
    )
    with pytest.raises(SettingsError) as refused:
        toml_file.load(path, File)
    lines = [fault.removeprefix(f"{path}:") for fault in refused.value.faults]
    names = ", ".join(NAMES)
    assert [int(line.partition(":")[0]) for line in lines] == [2, 3, 4, 6, 7, 8, 10]
    assert lines[3] == f"6: gate.floors.roc_acu: there is no such figure; did you mean `roc_auc`? There are {names}"
    assert lines[4] == f"7: gate.floors.xyz: there is no such figure; there are {names}"


def test_reading_a_gate_needs_no_numpy() -> None:
    """A job file is read by commands that must answer at once."""
    code = "import sys, watcher.jobs.gate; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
