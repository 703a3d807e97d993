"""The head: logistic regression on features, its penalty chosen by validation pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trainings

from watcher.training import probe
from watcher.training.lesson import judged, log_softmax, targets_of, weights_of
from watcher.training.probe import Head, Scale, minimise, rows, solve
from watcher.training.teacher import softened, too_few


def nothing(done: int, total: int) -> None:
    """Nobody looks on."""


def solved(lesson, penalty: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Head, float]:
    """To the end, not only as far as it pays."""
    monkeypatch.setattr(probe, "STEPS", 2000)
    monkeypatch.setattr(probe, "GAIN", 1e-12)
    scaled, targets, weights = rows(lesson, Scale.of(lesson.inputs[0]))
    empty = Head(np.zeros((scaled.shape[1], targets.shape[1]), np.float32), np.zeros(targets.shape[1], np.float32))
    return minimise(scaled, targets, weights, penalty, empty)


@pytest.mark.parametrize("penalty", [1.0, 0.01, 0.0003])
@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_logistic_regression(penalty: float, balanced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scores as scikit-learn's at the same penalty, with class weights too."""
    from sklearn.linear_model import LogisticRegression

    lesson = trainings.lesson(labels=3)
    truth = lesson.targets.argmax(axis=1)
    truth[:100] = 0  # rare labels, and mistakes
    lesson = replace(lesson, targets=targets_of(truth, 3, 0.0), weights=weights_of(truth, 3, balanced=balanced))
    head, _ = solved(lesson, penalty, monkeypatch)
    scaled, _, weights = rows(lesson, Scale.of(lesson.inputs[0]))
    theirs = LogisticRegression(C=1 / (2 * penalty * weights.sum()), tol=1e-8, max_iter=5000)
    theirs.fit(scaled.astype(np.float64), truth, sample_weight=weights)
    assert np.allclose(np.exp(log_softmax(head(scaled))), theirs.predict_proba(scaled), atol=2e-3)


def test_soft_targets_are_what_it_comes_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every picture is alike, its scores are the mean of the targets."""
    lesson = trainings.lesson(labels=2)
    targets = np.tile(np.float32([0.3, 0.7]), (len(lesson.targets), 1))
    lesson = replace(lesson, targets=targets, inputs=np.zeros_like(lesson.inputs))
    head, loss = solved(lesson, 0.01, monkeypatch)
    assert np.allclose(np.exp(log_softmax(head(np.zeros((1, 6), np.float32)))), [[0.3, 0.7]], atol=1e-3)
    assert loss == pytest.approx(-(0.3 * np.log(0.3) + 0.7 * np.log(0.7)), abs=1e-4)


def test_every_view_is_a_row_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more views than fit the first are taken, at least one."""
    lesson = trainings.lesson(count=10, views=4)
    scale = Scale.of(lesson.inputs[0])
    scaled, targets, weights = rows(lesson, scale)
    assert (scaled.shape, targets.shape, weights.shape) == ((40, 6), (40, 3), (40,))
    assert np.array_equal(targets[:10], targets[30:])
    assert abs(scaled[:10].mean()) < 1e-5
    monkeypatch.setattr(probe, "MEMORY", 10 * 6 * 4 * 2)
    assert len(rows(lesson, scale)[0]) == 20
    monkeypatch.setattr(probe, "MEMORY", 1)
    assert len(rows(lesson, scale)[0]) == 10
    monkeypatch.setattr(probe, "MEMORY", 10 * 6 * 4 * 2)
    assert [probe.views_that_fit(views, 10, 6) for views in (1, 2, 4)] == [1, 2, 2]
    assert probe.views_that_fit(4, 1000, 1000) == 1


def test_rows_can_be_those_of_some_pictures() -> None:
    """In every view, on the same scale."""
    lesson = trainings.lesson(count=10, views=2)
    scale, chosen = Scale.of(lesson.inputs[0]), np.array([1, 7, 8])
    scaled, targets, weights = rows(lesson, scale, chosen)
    everything = rows(lesson, scale)[0]
    assert np.array_equal(scaled, everything[[1, 7, 8, 11, 17, 18]])
    assert np.array_equal(targets, np.tile(lesson.targets[chosen], (2, 1))) and len(weights) == 6


def test_a_feature_that_never_changes_does_no_harm() -> None:
    """Its scale is nothing, and it is not divided by that."""
    features = np.ones((5, 3), np.float16)
    assert np.array_equal(Scale.of(features)(features), np.zeros((5, 3)))


def test_the_penalty_is_chosen_by_validation_pictures() -> None:
    """The strongest of those that are as good as the best; weaker ones that do not help are not tried."""
    lesson = trainings.lesson(count=60, width=40, labels=2, apart=0.2)  # few pictures, much to learn by heart
    told: list[tuple[int, int]] = []
    found = solve(lesson, Scale.of(lesson.inputs[0]), lambda *done: told.append(done))
    losses = [epoch.validation_loss for epoch in found.history]
    place = probe.PENALTIES.index(found.penalty)
    assert losses[place] <= min(losses) + 0.2
    assert place <= losses.index(min(losses)) == len(losses) - 1 - probe.PATIENCE
    assert len(losses) < len(probe.PENALTIES)
    assert told[-1] == (len(probe.PENALTIES), len(probe.PENALTIES))
    assert [epoch.number for epoch in found.history] == list(range(1, len(losses) + 1))
    loss, accuracy = judged(found.head(Scale.of(lesson.inputs[0])(lesson.validation_inputs)), lesson.validation_truth)
    assert float(loss.mean()) == pytest.approx(losses[place], abs=1e-5)
    assert accuracy == found.history[place].validation_accuracy > 0.7


def test_wrong_labels_are_doubted_by_other_groups() -> None:
    """A wrong target moves towards what the others say, by the trust put in them; right ones hardly do."""
    lesson = trainings.lesson(count=300, labels=2, views=2)
    truth = lesson.targets.argmax(axis=1)
    wrong = np.arange(300) < 15
    lesson = replace(lesson, targets=targets_of(np.where(wrong, 1 - truth, truth), 2, 0.0))
    groups = [f"g{i % 20}" for i in range(300)]
    soft = softened(lesson, groups, 0.8, 1, nothing)
    believed = soft[np.arange(300), truth]
    assert np.allclose(soft.sum(axis=1), 1, atol=1e-5)
    assert believed[wrong].mean() > 0.5 and believed[~wrong].mean() > 0.8
    assert (believed[wrong] <= 0.8 + 1e-6).all()
    told: list[tuple[int, int]] = []
    of_two = softened(lesson, [f"g{i % 2}" for i in range(300)], 0.8, 1, lambda *done: told.append(done))
    assert of_two[np.arange(300), truth][wrong].mean() > 0.5
    assert told[-1] == (4, 4)


def test_a_single_group_cannot_be_doubted() -> None:
    """Which can be known, and said, before its features are computed."""
    lesson = trainings.lesson(count=30)
    assert softened(lesson, ["slide"] * 30, 0.8, 1, nothing) is lesson.targets
    assert "add pictures of other groups" in (too_few(["slide"] * 30) or "")
    assert too_few(["slide", "other"]) is None


def test_rare_labels_weigh_as_much_as_frequent_ones() -> None:
    """On average a picture weighs 1; smoothing gives every label a part."""
    weights = weights_of(np.array([0, 0, 0, 2]), 3, balanced=True)
    assert weights.tolist() == pytest.approx([2 / 3] * 3 + [2])
    assert weights_of(np.array([0, 0, 0, 2]), 3, balanced=False).tolist() == [1] * 4
    assert targets_of(np.array([1]), 4, 0.1)[0].tolist() == pytest.approx([0.025, 0.925, 0.025, 0.025])
