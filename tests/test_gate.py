"""The gate: a new model takes the place of the live one only if it is not worse, and a sentence says why."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from scores import drawn, of_two
from sklearn import metrics as sk

from watcher.jobs import comparison
from watcher.jobs.apart import two_numbers, two_of_100
from watcher.jobs.gate import Decision, Gate, decide
from watcher.training.bootstrap import draws
from watcher.training.scored import Scored

COMPARED = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "roc_auc", "average_precision")
TRUTH = [0, 1] * 100
TENS = [place // 10 for place in range(200)]  # twenty groups of ten


def wrong_on(places: Iterable[int], groups: Iterable[object] = TENS) -> Scored:
    """Two hundred pictures, of which these are mistaken."""
    wrong = set(places)
    return of_two(TRUTH, [0.9 if (t == 1) != (i in wrong) else 0.1 for i, t in enumerate(TRUTH)], list(groups))


def blended(some: Scored, share: float) -> Scored:
    """A model that is nearly as good: a share of its scores are those of other pictures."""
    others = some.scores[np.random.default_rng(3).permutation(len(some))]
    return replace(some, scores=((1 - share) * some.scores + share * others).astype(np.float32))


def decided(gate: Gate, candidate: Scored, current: Scored | None, **how: int) -> Decision:
    return decide(gate, candidate, "m/4", current, "m/3" if current is not None else None, **how)


@pytest.mark.parametrize("metric", COMPARED)
def test_one_that_says_the_same_is_promoted(metric: str) -> None:
    """However little doubt is allowed: it is not worse."""
    some = drawn(300, 2, 12, decimals=2)
    found = decided(Gate.model_validate({"metric": metric, "doubt": 0.0}), some, some, rounds=50)
    assert found.passed and found.against == ()
    assert ", as m/3 has, on 300 held-out pictures of 12 groups (worse in 0 of 100 draws)" in found.sentence


def test_a_better_one_is_promoted() -> None:
    """And both figures are told."""
    found = decided(Gate(), wrong_on({3, 77}), wrong_on({3, 77, 78, 120, 151, 170}))
    assert found == Decision(
        True,
        "promoted m/4: balanced accuracy 0.990 against 0.970 of m/3 on 200 held-out pictures of 20 groups "
        "(worse in 0 of 100 draws)",
        (),
    )


def test_a_worse_one_is_kept_out() -> None:
    """The reason has both figures, how sure that is, and where it is felt most."""
    found = decided(Gate(), wrong_on({3, 40, 41, 42, 60, 150}), wrong_on({3}), rounds=500)
    share = found.sentence.partition("worse in ")[2].partition(" of 100")[0]
    reason = (
        f"has balanced accuracy 0.970 against 0.995 on 200 held-out pictures of 20 groups (worse in {share} of 100 "
        "draws, and 50 are allowed), and on group 4 it misses 30 % more"
    )
    assert found == Decision(False, f"kept m/3: candidate m/4 {reason}", (f"it {reason}",))
    assert float(share) > 90


def test_a_first_model_goes_live() -> None:
    """There is nothing to be worse than."""
    found = decided(Gate(), wrong_on({3, 40}), None)
    assert found.sentence == (
        "promoted m/4: there was none before; balanced accuracy 0.990 on 200 held-out pictures of 20 groups"
    )
    assert found.passed
    untold = of_two([1, 1], [0.9, 0.8])
    assert decided(Gate(), untold, None).sentence.endswith(
        "balanced accuracy cannot be told, for too few labels have held-out pictures"
    )


@pytest.mark.parametrize("metric", COMPARED)
def test_one_that_learned_shuffled_labels_is_kept_out(metric: str) -> None:
    """Its scores are those of other pictures: by every figure that is seen."""
    live = drawn(600, 2, 15)
    shuffled = live.scores[np.random.default_rng(1).permutation(600)]
    found = decided(Gate.model_validate({"metric": metric}), replace(live, scores=shuffled), live, rounds=100)
    assert not found.passed
    assert found.sentence.startswith("kept m/3: candidate m/4 has ")
    assert "(worse in 100 of 100 draws, and 50 are allowed), and on group " in found.sentence


def test_what_is_tolerated_is_not_worse() -> None:
    """One in a hundred less, where two are allowed; the sentence says by what it was measured."""
    candidate, live = wrong_on({10, 11, 55}), wrong_on({10})
    assert not decided(Gate(), candidate, live).passed
    found = decided(Gate(tolerance=0.05), candidate, live)
    assert found.passed
    assert "(worse by more than 0.05 in 0 of 100 draws)" in found.sentence


def test_just_what_is_tolerated_is_tolerated() -> None:
    """Whatever rounding adds in the last place: 0.8 - 0.1 is 0.7000000000000001."""
    worse, live = (wrong_on(range(count), ["a"] * 200) for count in (60, 40))
    assert decided(Gate(metric="accuracy", tolerance=0.1), worse, live).passed
    assert not decided(Gate(metric="accuracy", tolerance=0.099), worse, live).passed


def test_how_much_doubt_is_allowed_decides() -> None:
    """A better one that a few groups speak against passes or not."""
    candidate, live = wrong_on({0, 1, 2, 3}), wrong_on({20, 50, 80, 110, 140})
    assert decided(Gate(), candidate, live).passed
    found = decided(Gate(doubt=0.1), candidate, live)
    assert not found.passed
    assert "0.980 against 0.975" in found.sentence and "draws, and 10 are allowed)" in found.sentence


def test_the_share_of_draws_is_that_of_a_plain_bootstrap() -> None:
    """Pictures of drawn groups are gathered and scikit-learn measures both models on them."""
    live = drawn(150, 2, 8, decimals=2)
    candidate = blended(live, 0.1)
    random, groups, worse = np.random.default_rng(7), sorted(set(live.groups)), []
    for _ in range(40):
        chosen = [groups[place] for place in random.integers(0, len(groups), len(groups))]
        places = [i for name in chosen for i, group in enumerate(live.groups) if group == name]
        new, old = (sk.roc_auc_score(live.truth[places], one.scores[places, 1]) for one in (candidate, live))
        worse.append(new < old - 1e-9)
    found = decided(Gate(metric="roc_auc", doubt=1.0), candidate, live, rounds=40, seed=7)
    assert 0 < np.mean(worse) < 1
    assert f"(worse in {f'{100 * np.mean(worse):.1f}'.removesuffix('.0')} of 100 draws)" in found.sentence


def test_both_are_measured_on_the_same_draws() -> None:
    """Groups differ far more than the models do. It loses a picture in each: seen together, that is certain."""
    hard = {10 * group + place for group in range(0, 20, 2) for place in range(5)}
    candidate, live = wrong_on(hard | {10 * group + 9 for group in range(20)}), wrong_on(hard)
    gate = Gate(metric="accuracy", doubt=0.98)
    found = decided(gate, candidate, live)
    assert not found.passed and "worse in 100 of 100 draws" in found.sentence
    groups = candidate.group_numbers()[1]
    apart = [
        np.average(candidate.right, weights=one) < np.average(live.right, weights=other)
        for one, other in zip(draws(groups, 1000, 0), draws(groups, 1000, 1), strict=True)
    ]
    assert np.mean(apart) < gate.doubt  # draws of each by itself would have let it through


def test_of_one_group_the_figures_alone_decide() -> None:
    """There is nothing to draw from, so what counts is which is larger."""
    better, worse = wrong_on({3}, ["a"] * 200), wrong_on({3, 7}, ["a"] * 200)
    passed, kept = decided(Gate(), better, worse), decided(Gate(), worse, better)
    assert passed.passed and not kept.passed
    assert passed.sentence.endswith("of 1 group (too few groups to draw from; by these figures alone not worse)")
    assert kept.sentence.endswith("of 1 group (too few groups to draw from; by these figures alone worse)")
    assert decided(Gate(tolerance=0.02), worse, better).passed


def test_the_group_that_is_named_lost_the_most() -> None:
    """By the share of its pictures; a group of four is too small to be named, whatever it lost."""
    live = drawn(300, 3, 12)
    few = tuple("few" if place < 4 else group for place, group in enumerate(live.groups))
    live = replace(live, groups=few)
    scores = live.scores[np.random.default_rng(4).permutation(300)]
    scores[:4] = np.roll(np.eye(3, dtype=np.float32)[live.truth[:4]], 1, axis=1)
    candidate = replace(live, scores=scores)
    lost = {
        name: sum(int(live.right[i]) - int(candidate.right[i]) for i in range(300) if few[i] == name) / few.count(name)
        for name in sorted(set(few))
    }
    most = max((name for name in lost if name != "few"), key=lost.__getitem__)
    assert lost["few"] > lost[most] > 0
    found = decided(Gate(), candidate, live, rounds=100)
    assert f", and on group {most} it misses {f'{100 * lost[most]:.1f}'.removesuffix('.0')} % more" in found.sentence


def test_no_group_is_named_without_cause() -> None:
    """Where every picture is a group of its own, or only the ranking is worse and not what it says."""
    alone = decided(Gate(), wrong_on({3, 40, 60}, range(200)), wrong_on(set(), range(200)))
    assert "on 200 held-out pictures, each its own group (worse in" in alone.sentence
    truth, groups = [0, 1, 1] * 10, [place // 3 for place in range(30)]
    ranked = decided(
        Gate(metric="roc_auc"), of_two(truth, [0.7, 0.9, 0.6] * 10, groups), of_two(truth, [0.6, 0.9, 0.7] * 10, groups)
    )
    for found in (alone, ranked):
        assert not found.passed and "misses" not in found.sentence


def test_one_seed_gives_one_decision() -> None:
    """Another seed draws other groups."""
    live = drawn(200, 3, 10)
    candidate = blended(live, 0.1)
    gate = Gate(metric="roc_auc", doubt=1.0)
    first, again, other = (decided(gate, candidate, live, rounds=300, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_figures_that_differ_are_shown_to_differ() -> None:
    """With as many decimals as it takes; what is not 1 is not shown as 1."""
    truth, groups = np.arange(8000) % 2, np.arange(8000) // 100
    right = np.where(truth == 1, 0.9, 0.1)
    one, three = right.copy(), right.copy()
    one[0], three[[0, 2, 4]] = 0.9, 0.9
    gate = Gate(metric="accuracy")
    found = decided(gate, of_two(truth, one, groups), of_two(truth, three, groups), rounds=20)
    assert "accuracy 0.9999 against 0.9996 of m/3" in found.sentence
    found = decided(gate, of_two(truth, right, groups), of_two(truth, one, groups), rounds=20)
    assert "accuracy 1.000 against > 0.999 of m/3" in found.sentence


def test_very_much_gets_fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it does not take for ever, but 200 at least."""
    live = drawn(100, 4, 10)
    monkeypatch.setattr(comparison, "MOST_WORK", 2 * 400 * 250)
    assert comparison.compare(live, live, "accuracy", 0.0, rounds=1000, seed=0).draws == 250
    monkeypatch.setattr(comparison, "MOST_WORK", 1)
    assert comparison.compare(live, live, "accuracy", 0.0, rounds=1000, seed=0).draws == 200
    assert comparison.compare(live, live, "accuracy", 0.0, rounds=20, seed=0).draws == 20


def test_what_is_almost_1_is_not_shown_as_1() -> None:
    """Nor as 0, and nor is a share of 100; what is the same looks the same."""
    assert two_numbers(0.99996, 0.99951) == ("0.99996", "0.99951")
    assert two_numbers(0.00004, 0.00049) == ("0.00004", "0.00049")
    assert two_numbers(1, 0.99996) == ("1.000", "> 0.999")
    assert two_numbers(0.99996, 0.99996) == ("> 0.999", "> 0.999")
    assert two_of_100(0.99998, 0.9996) == ("99.998", "99.960")
    assert two_of_100(0.88, 0.9) == ("88", "90")


def test_ten_pictures_are_decided_soon() -> None:
    """A thousand draws of both models by the figure that takes longest."""
    live = drawn(10_000, 2, 60)
    candidate = replace(live, scores=drawn(10_000, 2, 60, seed=1).scores)
    started = time.perf_counter()
    assert not decided(Gate(metric="roc_auc"), candidate, live).passed
    assert time.perf_counter() - started < 60  # measured: 0.7 s
