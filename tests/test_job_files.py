"""Job files: every fault with its line, and options that change what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watcher.cli.train import _job
from watcher.errors import SettingsError, UsageError
from watcher.jobs.files import read_job
from watcher.training.job import Data, Job

EXAMPLES = sorted((Path(__file__).parents[1] / "jobs").glob("*.toml"))
OPTIONS = ("model", "base", "weights", "teacher_weights", "group_by", "positive", "pictures", "held_out", "seed")


def asked(file: Path | None = None, source: Path | None = Path(), **options: Any) -> tuple[Job, tuple[Path, ...]]:
    """The job of a command line."""
    return _job(file, source, dict.fromkeys(OPTIONS) | options)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_jobs_that_come_with_us_can_be_read(path: Path) -> None:
    """And are named for their models."""
    assert read_job(path).model == path.stem


def test_every_fault_is_said_with_its_line(tmp_path: Path) -> None:
    """All at once, with what would be right."""
    file = tmp_path / "a.toml"
    file.write_text(
        'model = "../x"\n[data]\npictures = 0\nsuorce = "x"\n[training]\nseed = "1"\nblocks = "all"\nlooks = 3\n'
        "[training.augment]\nrotation = 2.0\n[training.fine_tune]\nepochs = -1\nlearning_rate = nan\n"
    )
    with pytest.raises(SettingsError) as refused:
        read_job(file)
    lines = [fault.removeprefix(f"{file}:") for fault in refused.value.faults]
    assert [int(line.partition(":")[0]) for line in lines] == [1, 3, 4, 6, 7, 8, 10, 12, 13]
    assert "did you mean `source`?" in lines[2]
    assert lines[3] == '6: training.seed: should be a valid integer, not "1"'
    file.write_text("[training]\n")
    with pytest.raises(SettingsError, match="model"):
        read_job(file)


def test_a_list_of_blocks_is_taken(tmp_path: Path) -> None:
    """As TOML has it; names that are none are not."""
    file = tmp_path / "a.toml"
    file.write_text('model = "a"\n[training]\nblocks = ["x", "y"]\n')
    assert read_job(file).training.blocks == ("x", "y")
    file.write_text('model = "a"\n[training]\nblocks = ["x", 1]\n')
    with pytest.raises(SettingsError, match=r":3: training\.blocks\.1: should be a valid string, not 1"):
        read_job(file)


def test_options_change_what_the_file_says(tmp_path: Path) -> None:
    """And nothing else of it; blocks of one base are none of another's."""
    file = tmp_path / "a.toml"
    file.write_text(
        'model = "a"\n[data]\nsource = "cells"\npictures = 9\ngroup_by = "x"\n'
        '[training]\nblocks = ["x"]\nseed = 3\nviews = 5\n[training.teacher]\ntrust = 0.5\n'
    )
    job, source = asked(file, None)
    assert source == (tmp_path / "cells",)
    said = read_job(file)
    assert (job.model, job.training) == (said.model, said.training)
    assert job.data == Data(source=(str(tmp_path / "cells"),), pictures=9, group_by="x")
    changed, source = asked(
        file, tmp_path, model="b", base="vgg16", weights="none", seed=4, pictures="all",
        group_by="y", positive="ill", teacher_weights="w.h5",
    )  # fmt: skip
    assert (source, changed.model, changed.data.pictures) == ((tmp_path,), "b", None)
    assert (changed.data.group_by, changed.data.positive) == ("y", "ill")
    recipe = changed.training
    assert (recipe.base, recipe.weights, recipe.blocks, recipe.seed, recipe.views) == ("vgg16", "none", (), 4, 5)
    assert (recipe.teacher.trust, recipe.teacher.weights) == (0.5, "w.h5")
    assert asked(file, base="efficientnet-lite0")[0].training.blocks == ("x",)
    assert asked(model="a", pictures="12")[0].data.pictures == 12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "say what the model is to be called with --model NAME"),
        ({"model": "a/b"}, "--model should be a name of at most 64"),
        ({"model": "a", "source": None}, "say where the labelled pictures are"),
        ({"model": "a", "pictures": "many"}, "--pictures is a number or `all`, not 'many'"),
        ({"model": "a", "pictures": "-3"}, "--pictures is a number or `all`, not '-3'"),
        ({"model": "a", "pictures": "0"}, "--pictures should be greater than or equal to 1, not '0'"),
        ({"model": "a", "pictures": "9" * 5000}, "--pictures is a number or `all`"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(given: dict[str, Any], said: str) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=said) as refused:
        asked(**given)
    assert "\n" not in str(refused.value)


def test_nothing_left_to_learn_from_is_a_fault_with_its_line(tmp_path: Path) -> None:
    """Two shares that are right each by itself can be wrong together."""
    path = tmp_path / "job.toml"
    path.write_text('model = "m"\n\n[training]\nvalidation = 0.5\nheld_out = 0.5\n', "utf-8")
    with pytest.raises(SettingsError, match=r"job\.toml:3: training: validation and held_out together leave nothing"):
        read_job(path)


def test_a_models_name_in_a_job_is_told_in_words(tmp_path: Path) -> None:
    """A person need not read a regular expression."""
    path = tmp_path / "job.toml"
    path.write_text('model = "My Model"\n', "utf-8")
    with pytest.raises(SettingsError, match=r"job\.toml:1: model: should be a model's name"):
        read_job(path)
