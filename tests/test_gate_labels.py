"""The gate between models that were not asked quite the same: other pictures, other labels, another order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scores import drawn, of_two, scored

from watcher.jobs.gate import Gate, decide
from watcher.training.scored import Scored


def ordered(some: Scored, places: list[int]) -> Scored:
    """The same model with its labels in another order."""
    labels = tuple(some.labels[place] for place in places)
    return replace(some, labels=labels, truth=np.argsort(places)[some.truth], scores=some.scores[:, places])


def of_three(said: list[int], labels: tuple[str, ...] = ("cat", "cow", "dog")) -> Scored:
    """Three labels of ten pictures each in groups of all three; what is said of them, over and over."""
    truth = [place % 3 for place in range(30)]
    return scored(truth, np.eye(3)[said * (30 // len(said))], [place // 6 for place in range(30)], labels)


@pytest.mark.parametrize(
    "change",
    [
        {"paths": tuple(Path(f"other {place}.png") for place in range(40))},
        {"groups": ("a", "b") * 20},
        {"truth": np.zeros(40, np.int64)},
    ],
)
def test_models_shown_other_pictures_are_not_compared(change: dict[str, object]) -> None:
    """That is a mix-up of the program, not a verdict."""
    some = drawn(40, 3, 5)
    with pytest.raises(ValueError, match="the very same held-out pictures"):
        decide(Gate(), some, "m/4", replace(some, **change), "m/3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the very same held-out pictures"):
        decide(Gate(), some, "m/4", some.part(np.arange(39)), "m/3")


def test_a_live_model_has_scores_and_a_name() -> None:
    """One without the other is a mix-up too."""
    some = drawn(40, 3, 5)
    with pytest.raises(ValueError, match="both scores and a name"):
        decide(Gate(), some, "m/4", some, None)
    with pytest.raises(ValueError, match="both scores and a name"):
        decide(Gate(), some, "m/4", None, "m/3")


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "average_precision"])
def test_labels_are_matched_by_name(metric: str) -> None:
    """One that knows the same labels in another order says the same."""
    some = drawn(120, 3, 6)
    gate = Gate.model_validate({"metric": metric, "doubt": 0.0})
    found = decide(gate, ordered(some, [2, 0, 1]), "m/4", some, "m/3", rounds=20)
    assert found.passed and ", as m/3 has, on 120 held-out pictures of 6 groups (worse" in found.sentence


def test_both_are_measured_by_the_candidates_positive_label() -> None:
    """The sensitivity of one for the ill is not held against that of the other for the well."""
    some = of_two([0, 1] * 20, [0.1, 0.9, 0.9, 0.8] * 10, [place // 4 for place in range(40)])
    swapped = replace(ordered(some, [1, 0]), positive="label 0")
    found = decide(Gate(metric="sensitivity"), some, "m/4", swapped, "m/3", rounds=20)
    assert found.passed and "sensitivity 1.000, as m/3 has" in found.sentence


def test_a_new_label_does_not_count() -> None:
    """The live model was never shown its pictures; those of the other labels are compared, and the sentence says so."""
    candidate = of_three([0, 1, 2])
    known = candidate.part(np.flatnonzero(candidate.truth < 2))
    live = replace(known, labels=("cat", "cow"), scores=np.full((20, 2), 0.5, np.float32), positive="cow")
    found = decide(Gate(), candidate, "m/4", live, "m/3", rounds=20)
    assert found.passed
    assert found.sentence == (
        "promoted m/4: balanced accuracy 1.000 against 0.500 of m/3 on 20 held-out pictures whose labels both know, "
        "of 5 groups (worse in 0 of 100 draws; new, and so not compared: dog)"
    )


def test_a_picture_taken_for_a_new_label_is_a_mistake() -> None:
    """Whoever drops a cow in is told that it is a dog."""
    candidate = of_three([0, 2, 2])
    known = of_three([0, 1, 2]).part(np.flatnonzero(candidate.truth < 2))
    live = replace(known, labels=("cat", "cow"), scores=known.scores[:, :2].copy(), positive="cow")
    found = decide(Gate(), candidate, "m/4", live, "m/3", rounds=20)
    assert not found.passed and "balanced accuracy 0.500 against 1.000 on 20 held-out pictures" in found.sentence
    assert "draws, and 50 are allowed; new, and so not compared: dog)" in found.sentence


def test_a_lost_label_is_for_a_person_to_decide() -> None:
    """All pictures of it would be mistaken, and no held-out picture tells; the folder may just have been away."""
    live = of_three([0, 1, 2])
    known = live.part(np.flatnonzero(live.truth < 2))
    candidate = replace(known, labels=("cat", "cow"), scores=known.scores[:, :2].copy(), positive="cow")
    found = decide(Gate(), candidate, "m/4", live, "m/3", rounds=20)
    reason = "it does not know dog, as m/3 does: promote it by hand if that is meant"
    assert (found.passed, found.against) == (False, (reason,))


def test_models_without_a_common_label_cannot_be_compared() -> None:
    """As after all folders were renamed; a person decides."""
    found = decide(Gate(), of_three([0, 1, 2], ("Cat", "Cow", "Dog")), "m/4", of_three([0, 1, 2]), "m/3")
    assert found.against == (
        "it cannot be compared with m/3, for no held-out picture has a label that both know",
        "it does not know cat, cow, dog, as m/3 does: promote it by hand if that is meant",
    )


@pytest.mark.parametrize(
    ("metric", "some", "why"),
    [
        ("specificity", drawn(40, 3, 5), "by specificity, for only models of two labels have one"),
        ("roc_auc", of_two([1] * 9, [0.9] * 9), "by ROC AUC, for too few labels have held-out pictures"),
    ],
)
def test_a_figure_that_cannot_be_told_lets_nothing_through(metric: str, some: Scored, why: str) -> None:
    """Not even what says the same: the job asks for what is not there, and should be mended."""
    found = decide(Gate.model_validate({"metric": metric}), some, "m/4", some, "m/3")
    assert found.sentence == f"kept m/3: candidate m/4 cannot be compared with m/3 {why}"
    assert len(found.against) == 1
    assert not found.passed


def test_draws_that_lack_a_label_are_left_out() -> None:
    """Half of them, with each label in one of two groups; the others tell."""
    truth, groups = [0] * 6 + [1] * 6, ["a"] * 6 + ["b"] * 6
    live, candidate = (of_two(truth, [0.1] * 6 + [last] + [0.9] * 5, groups) for last in (0.9, 0.1))
    found = decide(Gate(), candidate, "m/4", live, "m/3", rounds=100)
    assert "(worse in 100 of 100 draws, and 50 are allowed), and on group b it misses 16.7 % more" in found.sentence
