"""Candidate and live version beside each other, on pictures that neither has learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import homes
import pytest
import trainings

from watcher.errors import DataError
from watcher.jobs.gate import Gate
from watcher.jobs.judged import Trial, _fair, judged
from watcher.models.package import Package, TrainedOn
from watcher.settings import Settings
from watcher.training.examples import Example, find_examples

EXAMPLES = tuple(Example(Path(f"{group}-{label}"), label, group) for group in "1234" for label in ("blue", "red"))


def live(package: Package, *held_out: str) -> Package:
    """The package as one that says which groups it has learned nothing from."""
    settings = {"held_out_groups": list(held_out)}
    trained_on = TrainedOn(data_digest="0" * 64, pictures=8, groups=4, seed=1, settings=settings)
    return replace(package, card=package.card.model_copy(update={"trained_on": trained_on}))


def test_they_are_compared_on_groups_that_neither_has_learned_from(tiny_package: Package) -> None:
    """Where these are two or more and have all labels."""
    examples, fair = _fair(EXAMPLES, live(tiny_package, "2", "3", "9"))
    assert fair and {example.group for example in examples} == {"2", "3"}


@pytest.mark.parametrize("held_out", [(), ("2",), ("8", "9")])
def test_where_these_are_too_few_all_judge_and_the_sentence_says_so(
    tiny_package: Package, held_out: tuple[str, ...]
) -> None:
    """The live version has an advantage then, so a person should know."""
    assert _fair(EXAMPLES, live(tiny_package, *held_out)) == (EXAMPLES, False)
    assert _fair(EXAMPLES, tiny_package) == (EXAMPLES, False)


def test_a_live_version_of_other_labels_is_kept_and_the_sentence_says_why(
    tmp_path: Path, tiny_package: Package
) -> None:
    """A run does not fail of it, so that a person may force it."""
    source = trainings.drop(tmp_path / "set", groups=3, each=1, labels=("blue", "red"))
    card = tiny_package.card.model_copy(update={"name": "other", "labels": ("cat", "dog", "cow")})
    trial = Trial(Gate(), tiny_package, replace(tiny_package, card=card), find_examples(source, r"^\d+"), None)
    decision = judged(trial, Settings(), trainings.Watcher())
    assert not decision.passed
    assert decision.sentence.startswith(
        "kept other/1: candidate tiny/1 cannot be compared with other/1: the folders are not"
    )


def test_a_picture_that_cannot_be_read_is_nobodys_fault(tmp_path: Path, tiny_package: Package) -> None:
    """The rest decides; the same model is no worse than itself."""
    source = trainings.drop(tmp_path / "set", groups=3, each=1, labels=("blue", "red"))
    homes.drop(source, "red/0-9.png", b"no picture")
    trial = Trial(Gate(), tiny_package, tiny_package, find_examples(source, r"^\d+"), None)
    decision = judged(trial, Settings(), trainings.Watcher())
    assert decision.passed and " on 6 held-out pictures" in decision.sentence


def test_without_held_out_pictures_nothing_is_decided(tiny_package: Package) -> None:
    """It says what to change."""
    with pytest.raises(DataError, match="raise held_out under"):
        judged(Trial(Gate(), tiny_package, None, (), None), Settings(), trainings.Watcher())
