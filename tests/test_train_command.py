"""`watcher train`: trained, or refused with the reason and what to do."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import homes
import pytest
import trainings
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.home import Home, make_home, open_home
from watcher.models.registry import Registry
from watcher.settings import Settings

JOB = """
model = "tones"
[data]
group_by = '^\\d+'
[training]
input_size = 32
views = 2
precision = "float32"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_home(tmp_path / "home", Settings())
    return open_home(tmp_path / "home")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path / "job.toml"


def train(home: Home, *args: str | Path) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "train", *map(str, args)])


def test_a_model_is_trained_and_goes_live(home: Home, job: Path, tmp_path: Path) -> None:
    """What is wrong with pictures is told and left out; a second version waits to be promoted."""
    source = trainings.drop(tmp_path / "set", labels=("blue", "green", "red"))
    homes.drop(source, "red/0-broken.png", b"just text")
    homes.drop(source, "red/Thumbs.db", b"\0")
    (source / "nothing in it").mkdir()
    reduced = tmp_path / "reduced.toml"
    reduced.write_text(JOB.replace("float32", "bfloat16"))
    first = train(home, source, "--job", reduced)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("tones/1 is trained.\nOf 100 pictures it names ")
    report = home.models / "tones/1/report.html"
    assert f"The report: {report}\nIt is live" in first.stdout
    assert "it is text" in first.stderr and "0-broken.png" in first.stderr
    assert "0-broken.png" in report.read_text() and "just text" not in report.read_text()
    told = first.stderr.splitlines()
    assert told[0] == "Reading the pictures …" and told[-1].startswith("Judging: ")
    metrics = json.loads((home.models / "tones/1/metrics.json").read_text())
    assert metrics["accuracy"]["value"] > 0.5
    card = Registry(home.models).current("tones").card
    assert card.positive_label is None and card.trained_on.settings["computed_in"] == "mixed_bfloat16"
    again = train(home, source, "--job", job, "--seed", "2", "--pictures", "60")
    assert again.exit_code == 0, again.output
    assert "Version 1 is still live; `watcher models promote tones 2` changes that." in again.stdout
    assert Registry(home.models).read("tones", 2).card.trained_on.pictures == 60
    left = {path.name for path in (home.models / "tones").iterdir()}
    assert left == {"1", "2", "current", "history", ".lock", ".training.lock"}


def test_two_hundred_labels_are_trained(home: Home, job: Path, tmp_path: Path) -> None:
    """With a group on every picture, and a report on all of them."""
    for label in range(200):
        for number in range(4):
            homes.drop(tmp_path / "set", f"label {label:03}/{number}.png", homes.picture("red", label * 4 + number))
    job.write_text(JOB.replace("group_by", "# group_by").replace("views = 2", "views = 1"))
    done = train(home, tmp_path / "set", "--job", job)
    assert done.exit_code == 0, done.output
    card = Registry(home.models).current("tones").card
    assert (len(card.labels), card.trained_on.pictures, card.trained_on.groups) == (200, 800, 800)


@pytest.mark.parametrize(
    ("files", "args", "code", "said"),
    [
        (["a/1", "a/2", "a/3"], [], 1, "all 3 pictures have the label a: a model needs two labels or more"),
        (["a/1", "a/2", "b/3"], [], 1, "the label b has 1 picture of 1 group, too few"),
        (
            ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"],
            ["--positive", "ill"],
            1,
            "the positive label ill is none of a, b",
        ),
        (["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"], ["--positive", "a"], 1, "there are 3 labels, and only of two"),
        (["a/1", "a/2", "b/1", "b/2"], ["--base", "vgg166"], 1, "there is no base vgg166: did you mean vgg16?"),
        (["a/1", "a/2", "b/1", "b/2"], ["--weights", "no.h5"], 1, "no.h5: no such file of weights"),
        (["a/1", "b/1"], ["--group-by", "("], 2, "--group-by: '(' is no regular expression"),
        (["a/1", "b/1"], ["--group-by", "x"], 1, "finds no group in this name: mend --group-by"),
        (["a.png", "b.png"], [], 1, "no pictures: put them into one sub-folder for each label"),
        (["a/1", "b/1"], ["--model", "kA"], 2, "--model should be a name of at most 64 lower-case letters"),
        (["a/1", "b/1"], ["--held-out", "nan"], 2, "--held-out should be"),
        (["a/1", "b/1"], ["--pictures", "0"], 2, "--pictures should be greater than or equal to 1, not '0'"),
        (["a/1", "b/1"], ["--pictures", "few"], 2, "--pictures is a number or `all`, not 'few'"),
        (["a/1", "b/1", "watcher.toml"], [], 2, "is a home, whose inbox and outbox are no labels"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    home: Home, job: Path, tmp_path: Path, files: list[str], args: list[str], code: int, said: str
) -> None:
    """In one line, and nothing is left in the home."""
    for number, name in enumerate(files):
        homes.drop(tmp_path / "set", name if "." in name else f"{name}.png", homes.picture("red", number))
    done = train(home, tmp_path / "set", "--job", job, *args)
    assert (done.exit_code, done.stderr.count("\n")) == (code, 1), done.stderr
    assert said in done.stderr
    assert not (home.models / "tones").exists()


def test_a_name_and_pictures_are_asked_for(home: Home, job: Path, tmp_path: Path) -> None:
    """A job may name both, its pictures relative to itself."""
    homes.drop(tmp_path / "set", "a/1.png", homes.picture("red"))
    nameless = train(home, tmp_path / "set")
    assert (nameless.exit_code, nameless.stderr.count("--model NAME")) == (2, 1)
    lost = train(home, "--job", job)
    assert (lost.exit_code, lost.stderr.count("say where the labelled pictures are")) == (2, 1)
    job.write_text(JOB.replace("[data]", '[data]\nsource = "set"'))
    told = train(home, "--job", job, "--teacher-weights", "imagenet", "--base", "vgg16", "--model", "other")
    assert (told.exit_code, told.stderr.count("all 1 pictures have the label a")) == (1, 1)


def test_too_few_pictures_are_refused(home: Home, job: Path, tmp_path: Path) -> None:
    """Once they are read; and two of each label are enough where nothing is held out."""
    for number in range(4):
        homes.drop(
            tmp_path / "set", f"{'ab'[number % 2]}/{number}.png", homes.picture(("red", "blue")[number % 2], number)
        )
    done = train(home, tmp_path / "set", "--job", job)
    assert done.exit_code == 1
    told = done.stderr.splitlines()[-1]
    assert "has 2 pictures of 2 groups, too few for validation" in told and "hold none out (--held-out 0)" in told
    done = train(home, tmp_path / "set", "--job", job, "--held-out", "0")
    assert done.exit_code == 0, done.output
    assert "No pictures were held out" in done.stdout
    assert "There are only 2 groups." in done.stdout


def test_what_is_seen_only_in_the_pictures_is_refused_too(home: Home, job: Path, tmp_path: Path) -> None:
    """And its work is not kept: the same would happen again."""
    for number in range(6):
        homes.drop(tmp_path / "set", f"{'ab'[number % 2]}/{number}.png", b"just text")
    done = train(home, tmp_path / "set", "--job", job)
    assert done.exit_code == 1
    assert "none of the 6 pictures can be read" in done.stderr.splitlines()[-1]
    assert [path.name for path in (home.models / "tones").iterdir()] == [".training.lock"]


def test_a_model_is_trained_by_one_process_at_a_time(home: Home, job: Path, tmp_path: Path) -> None:
    """The other's work is left alone."""
    source = trainings.drop(tmp_path / "set")
    work = home.models / "tones/.training-0123456789ab"
    work.mkdir(parents=True)
    with (home.models / "tones/.training.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = train(home, source, "--job", job)
    assert done.exit_code == 1
    assert done.stderr == "watcher: tones is being trained already, by another process: wait until it ends\n"
    assert list((home.models / "tones").glob(".training-*")) == [work]


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """The home's models on a disk of half a megabyte."""
    home.models.mkdir(exist_ok=True)
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=500k", "none", home.models], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    yield home.models
    subprocess.run(["umount", home.models], check=True)


def test_a_full_disk_is_one_clear_line_and_no_end(home: Home, job: Path, tmp_path: Path, small_disk: Path) -> None:
    """Whether for the pictures, their features or the model itself; with more room the same command ends well."""
    source = trainings.drop(tmp_path / "set", each=16)  # 768 KiB of pixels
    stages = []
    for room in ("500k", "5m", "200m"):
        subprocess.run(["mount", "-o", f"remount,size={room}", small_disk], check=True)
        done = train(home, source, "--job", job)
        if done.exit_code == 0:
            break
        assert done.exit_code == 1, done.output
        lines = [line for line in done.stderr.splitlines() if line.startswith("watcher: ")]
        assert len(lines) == 1
        assert "No space left on device" in lines[0]
        stages.append(done.stderr.count("…"))
    assert done.exit_code == 0, done.output
    assert stages == sorted(stages) and stages[0] < stages[1]
    assert "Reading the pictures: " not in done.stderr  # they had been read
    shutil.rmtree(home.models / "tones")
    assert os.listdir(small_disk) == []


def test_a_model_that_learned_nothing_is_said_to_be_no_use(home: Home, job: Path, tmp_path: Path) -> None:
    """Where labels mean nothing; and that nobody can tell what is live, for its file is damaged, undoes no training."""
    for number in range(48):
        homes.drop(tmp_path / "set", f"{'ab'[number % 3 == 0]}/{number}-x.png", homes.picture("red", number))
    homes.drop(home.models, "tones/current", b"??")
    done = train(home, tmp_path / "set", "--job", job, "--held-out", "0.3")
    assert done.exit_code == 0, done.output
    first, *_ = lines = done.stdout.splitlines()
    assert first == "tones/1 is trained."
    assert sum("no better than always saying a, which would be right for" in line for line in lines) == 1
    assert "should hold a version's number" in lines[-1]
    assert lines[-1].endswith("`watcher models promote tones 1` makes this one live.")
