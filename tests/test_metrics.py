"""The figures of an evaluation: what they are, and what is said where they cannot be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scores import drawn, of_two, scored
from sklearn import metrics as sk

from watcher.training.metrics import Measure, Metrics, measure, wilson
from watcher.training.scored import Scored
from watcher.training.values import Values

EXACT = 1e-9


def figures(found: Metrics) -> dict[str, float | None]:
    return {name: value.value for name, value in found if isinstance(value, Measure)}


@pytest.mark.parametrize("decimals", [6, 1])
@pytest.mark.parametrize("seed", [0, 1])
def test_two_labels_measure_as_scikit_learn_does(seed: int, decimals: int) -> None:
    """To 1e-9, and where many scores are equal too."""
    some = drawn(300, 2, 9, seed, decimals)
    found = figures(measure(some, rounds=2))
    positive = some.scores[:, 1]
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(some.truth, some.said), abs=EXACT)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(some.truth, some.said), abs=EXACT)
    assert found["sensitivity"] == pytest.approx(sk.recall_score(some.truth, some.said), abs=EXACT)
    assert found["specificity"] == pytest.approx(sk.recall_score(some.truth, some.said, pos_label=0), abs=EXACT)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(some.truth, positive), abs=EXACT)
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(some.truth, positive), abs=EXACT)


def test_many_labels_measure_as_scikit_learn_does() -> None:
    """Each label against the rest, then the mean; the confusion matrix holds the same counts."""
    some = drawn(400, 5, 9, decimals=2)
    found = measure(some, rounds=2)
    one_hot = np.eye(5)[some.truth]
    aucs = [sk.roc_auc_score(one_hot[:, place], some.scores[:, place]) for place in range(5)]
    precisions = [sk.average_precision_score(one_hot[:, place], some.scores[:, place]) for place in range(5)]
    assert found.roc_auc.value == pytest.approx(np.mean(aucs), abs=EXACT)
    assert found.average_precision.value == pytest.approx(np.mean(precisions), abs=EXACT)
    assert [one.roc_auc.value for one in found.each_label] == pytest.approx(aucs, abs=EXACT)
    recalls = sk.recall_score(some.truth, some.said, average=None)
    assert [one.recall.value for one in found.each_label] == pytest.approx(recalls, abs=EXACT)
    assert found.balanced_accuracy.value == pytest.approx(recalls.mean(), abs=EXACT)
    named = sk.precision_score(some.truth, some.said, average=None)
    assert [one.precision.value for one in found.each_label] == pytest.approx(named, abs=EXACT)
    matrix = np.zeros((5, 5))
    for cell in found.confusion:
        matrix[some.labels.index(cell.truth), some.labels.index(cell.said)] = cell.pictures
    assert (matrix == sk.confusion_matrix(some.truth, some.said)).all()
    assert found.sensitivity == found.specificity == Measure(value=None)


def test_weights_count_as_in_scikit_learn() -> None:
    """A picture drawn three times counts as three; one that is not drawn not at all."""
    some = drawn(200, 2, 9, decimals=2)
    weights = np.random.default_rng(3).integers(0, 4, 200).astype(float)
    row = Values(some).row(weights)
    positive = some.scores[:, 1]
    assert row[4] == pytest.approx(sk.roc_auc_score(some.truth, positive, sample_weight=weights), abs=EXACT)
    assert row[5] == pytest.approx(sk.average_precision_score(some.truth, positive, sample_weight=weights), abs=EXACT)
    repeated = Values(some.part(np.repeat(np.arange(200), weights.astype(int))))
    assert row == pytest.approx(repeated.row(np.ones(int(weights.sum()))), abs=EXACT, nan_ok=True)


def test_the_calibration_error_is_the_gap_in_fifteen_bins() -> None:
    """Of the pictures it is 95 % and 60 % sure of, how many are right decides; worked out by hand."""
    truth = [1] * 8 + [0] * 2 + [1] * 6 + [0] * 4
    some = of_two(truth, [0.95] * 10 + [0.6] * 10)  # 8 and 6 of 10 are right
    assert measure(some, rounds=2).calibration_error.value == pytest.approx((0.15 + 0.0) / 2, abs=1e-6)


def test_a_folder_of_one_label_tells_what_it_can() -> None:
    """How many of that label are found; nothing that compares two labels is made up."""
    found = measure(of_two([1, 1, 1, 1], [0.9, 0.8, 0.3, 0.7], "aabb"))
    told = {name for name, value in figures(found).items() if value is not None}
    assert told == {"accuracy", "sensitivity", "calibration_error"}
    assert found.sensitivity.value == 0.75
    assert [one.precision.value for one in found.each_label] == [0, 1]


def test_labels_without_pictures_do_not_count() -> None:
    """A model of four labels tried on two of them is measured on those two."""
    some = drawn(80, 4, 5)
    part = some.part(np.flatnonzero(some.truth < 2))
    found = measure(part, rounds=2)
    assert found.balanced_accuracy.value == pytest.approx(
        np.mean([(part.said[part.truth == place] == place).mean() for place in (0, 1)])
    )
    assert [one.pictures > 0 for one in found.each_label] == [True, True, False, False]
    assert found.each_label[3].recall.value is None
    assert found.each_label[3].roc_auc.value is None
    assert found.roc_auc.value == pytest.approx(np.mean([one.roc_auc.value for one in found.each_label[:2]]))


def test_three_pictures_are_measured() -> None:
    """However little that says."""
    found = measure(of_two([0, 1, 1], [0.2, 0.9, 0.4]))
    assert (found.pictures, found.mistakes, found.groups) == (3, 1, 3)
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.roc_auc.value == 1


def test_each_group_has_figures_of_its_own() -> None:
    """The same as if it were measured alone; its accuracy with Wilson's interval."""
    some = drawn(120, 2, 4)
    found = measure(some, rounds=2)
    assert [group.group for group in found.each_group] == ["0", "1", "2", "3"]
    for group in found.each_group:
        alone = measure(some.part(np.flatnonzero(np.array(some.groups) == group.group)), rounds=2)
        for name, value in figures(alone).items():
            assert getattr(group, name).value == pytest.approx(value, abs=EXACT)
        assert group.pictures == alone.pictures
        assert group.mistakes == alone.mistakes
        assert {(c.truth, c.said): c.pictures for c in group.confusion} == {
            (c.truth, c.said): c.pictures for c in alone.confusion
        }
        assert group.accuracy == wilson(group.pictures - group.mistakes, group.pictures)


def test_groups_of_one_picture_each_are_not_listed() -> None:
    """A list of all pictures is no list of groups."""
    assert measure(drawn(30, 2, 10**9), rounds=2).each_group == ()


def test_wilsons_interval_is_the_published_one() -> None:
    """8 of 10 are 0.490 to 0.943 (Newcombe 1998 tells how to work it out); all of few are not certainly all."""
    found = wilson(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    sure = wilson(3, 3)
    assert sure.value == sure.high == 1
    assert sure.low == pytest.approx(0.4385, abs=1e-4)
    assert wilson(0, 0) == Measure(value=None)


def test_what_is_written_is_read_back() -> None:
    """metrics.json is what programs compare versions by."""
    found = measure(drawn(60, 3, 4), rounds=20)
    assert Metrics.model_validate_json(found.to_json()) == found


def test_two_hundred_labels_are_measured() -> None:
    """Most of them with two pictures, and a few with none."""
    found = measure(drawn(400, 200, 12), rounds=20)
    assert len(found.each_label) == 200
    assert found.accuracy.low is not None and found.roc_auc.low is not None
    assert sum(cell.pictures for cell in found.confusion) == sum(one.pictures for one in found.each_label) == 400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ("one",)}, "two labels apart"),
        ({"groups": ("a",)}, "as many truths and groups"),
        ({"truth": np.array([0, 2])}, "a place among the labels"),
        ({"scores": np.zeros((2, 3), np.float32)}, r"scores are \[2, 2\], not \[2, 3\]"),
        ({"scores": np.full((2, 2), np.nan, np.float32)}, "a number from 0 to 1"),
        ({"scores": np.full((2, 2), 0.9, np.float32)}, "sum to 1"),
        ({"positive": None}, "one is the positive"),
        ({"positive": "dog"}, "one is the positive"),
        ({"truth": np.array([], int), "groups": (), "paths": ()}, "no pictures"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], reason: str) -> None:
    """A mix-up of rows or columns must not come out as a figure."""
    good: dict[str, object] = {
        "labels": ("cat", "cow"),
        "truth": np.array([0, 1]),
        "scores": np.full((2, 2), 0.5, np.float32),
        "groups": ("a", "b"),
        "paths": (Path("a"), Path("b")),
        "positive": "cow",
    }
    Scored(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=reason):
        Scored(**(good | change))  # type: ignore[arg-type]


def test_equal_scores_are_the_first_label() -> None:
    """As the daemon says it."""
    some = scored([0, 1], [[0.5, 0.5], [0.5, 0.5]])
    assert some.said.tolist() == [0, 0]
    assert some.right.tolist() == [True, False]
