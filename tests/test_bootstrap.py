"""Intervals: how sure a figure is depends on how much the groups differ."""

from __future__ import annotations

import numpy as np
import pytest
from scores import drawn, of_two
from sklearn import metrics as sk

from watcher.training import metrics as module
from watcher.training.bootstrap import draws
from watcher.training.metrics import Measure, measure, wilson
from watcher.training.scored import Scored


def width(measure: Measure) -> float:
    assert measure.low is not None and measure.high is not None
    return measure.high - measure.low


def plainly(some: Scored, rounds: int, seed: int) -> dict[str, tuple[float, float]]:
    """The same bootstrap written down plainly: pictures of drawn groups are gathered, scikit-learn measures them."""
    random = np.random.default_rng(seed)
    groups = sorted(set(some.groups))
    found: dict[str, list[float]] = {"accuracy": [], "sensitivity": [], "roc_auc": [], "average_precision": []}
    for _ in range(rounds):
        chosen = [groups[place] for place in random.integers(0, len(groups), len(groups))]
        places = [i for name in chosen for i, group in enumerate(some.groups) if group == name]
        truth, said, score = some.truth[places], some.said[places], some.scores[places, 1]
        found["accuracy"].append(sk.accuracy_score(truth, said))
        found["sensitivity"].append(sk.recall_score(truth, said))
        found["roc_auc"].append(sk.roc_auc_score(truth, score))
        found["average_precision"].append(sk.average_precision_score(truth, score))
    return {name: tuple(np.quantile(values, (0.025, 0.975))) for name, values in found.items()}


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    """The quick way over weights gives what gathering the pictures of each draw gives."""
    some = drawn(150, 2, 8, decimals=2)
    found = measure(some, rounds=60, seed=5)
    for name, ends in plainly(some, 60, 5).items():
        one = getattr(found, name)
        assert (one.low, one.high) == pytest.approx(ends, abs=1e-9)


def test_whole_groups_are_drawn() -> None:
    """Every picture of a group counts as often as the others of it; as many groups as there are."""
    groups = np.array([0, 0, 1, 1, 1, 2])
    for weights in draws(groups, 50, 0):
        assert weights[0] == weights[1]
        assert weights[2] == weights[3] == weights[4]
        assert weights[0] + weights[2] + weights[5] == 3


def test_groups_that_differ_make_it_unsure() -> None:
    """The same pictures right and wrong: sorted by group the interval is wide, mixed alike in all it is Wilson's."""
    truth, right = [0, 1] * 200, [True] * 300 + [False] * 100
    score = [0.9 if (t == 1) == r else 0.1 for t, r in zip(truth, right, strict=True)]
    apart = measure(of_two(truth, score, [place // 20 for place in range(400)]))
    mixed = measure(of_two(truth, score, [place % 20 for place in range(400)]))
    assert apart.accuracy.value == mixed.accuracy.value == 0.75
    assert width(apart.accuracy) > 0.3
    assert mixed.accuracy == wilson(300, 400)
    alone = measure(of_two(truth, score))
    assert 0.05 < width(alone.accuracy) < 0.12  # 1.96 standard errors of 400 pictures either way: 0.085


def test_no_mistake_does_not_make_certain() -> None:
    """Every draw is as perfect: then the number of pictures tells how far a figure can be trusted."""
    truth = [1] * 10 + [0] * 40
    found = measure(of_two(truth, np.linspace(0.99, 0.01, 50) ** 2, [place % 20 for place in range(50)]))
    assert found.mistakes > 0  # of those that are called 0 by a score below a half: the ranking alone is perfect
    assert (found.roc_auc, found.average_precision) == (wilson(10, 10), wilson(10, 10))
    perfect = measure(of_two(truth, [0.9] * 10 + [0.2] * 40, [place % 20 for place in range(50)]))
    assert (perfect.accuracy, perfect.sensitivity, perfect.specificity) == (
        wilson(50, 50),
        wilson(10, 10),
        wilson(40, 40),
    )
    assert perfect.balanced_accuracy.low == pytest.approx(wilson(32, 32).low)  # 4 / (1/10 + 1/40)
    assert [cell.share for cell in perfect.confusion] == [wilson(40, 40), wilson(10, 10)]
    assert all(one.precision.low < 1 for one in perfect.each_label)  # type: ignore[operator]
    sure = measure(of_two(truth, [1.0] * 10 + [0.0] * 40, [place % 20 for place in range(50)])).calibration_error
    assert (sure.value, sure.high) == (0, wilson(0, 50).high)


def test_one_group_has_no_interval() -> None:
    """Nothing can be known of groups from one."""
    found = measure(of_two([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.2], "aaaa"))
    assert found.accuracy == Measure(value=0.75)
    assert (found.groups, found.rounds) == (1, 0)
    assert len(found.each_group) == 1


def test_a_class_that_few_groups_hold_has_no_interval() -> None:
    """If draws often lack it, what is left of them would look surer than it is; the rest keeps its interval."""
    groups = [place // 4 for place in range(40)]
    truth = [1] * 4 + [0] * 36
    found = measure(of_two(truth, np.linspace(0.9, 0.1, 40), groups))
    for name in ("sensitivity", "roc_auc", "average_precision", "balanced_accuracy"):
        assert getattr(found, name).value is not None
        assert getattr(found, name).low is getattr(found, name).high is None
    assert found.specificity.low is not None
    assert found.accuracy.low is not None


def test_a_draw_that_lacks_a_class_is_left_out() -> None:
    """Where that is rare the interval stands."""
    groups = [place // 4 for place in range(40)]
    truth = [1] * 16 + [0] * 24  # four of ten groups hold the class: few draws lack it
    found = measure(of_two(truth, [0.9, 0.2] * 8 + [0.1, 0.7, 0.3, 0.2] * 6, groups))
    assert found.sensitivity.low is not None
    assert found.sensitivity.low <= 0.5 <= found.sensitivity.high  # type: ignore[operator]


def test_a_calibration_error_lies_in_its_interval() -> None:
    """Drawing only adds to it; the interval is set right for that."""
    random = np.random.default_rng(2)
    score = random.uniform(0, 1, 600)
    truth = (random.uniform(0, 1, 600) < score).astype(int)
    found = measure(of_two(truth, score, [place % 30 for place in range(600)])).calibration_error
    assert found.low is not None and found.value is not None and found.high is not None
    assert 0 <= found.low < found.value < found.high <= 1


def test_one_seed_gives_one_result() -> None:
    """And another seed nearly the same."""
    some = drawn(200, 3, 10)
    assert measure(some, rounds=50, seed=1) == measure(some, rounds=50, seed=1)
    assert measure(some, rounds=50, seed=1) != measure(some, rounds=50, seed=2)


def test_large_sets_get_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it does not take for ever; how many it were is told."""
    some = drawn(100, 4, 10)
    monkeypatch.setattr(module, "MOST_WORK", 400 * 250)
    assert measure(some, rounds=1000).rounds == 250
    monkeypatch.setattr(module, "MOST_WORK", 1)
    assert measure(some, rounds=1000).rounds == 200
    assert measure(some, rounds=20).rounds == 20
