"""Who teaches, who chooses, who judges."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import trainings
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.errors import DataError
from watcher.training.split import split

GROUPS = st.lists(st.sampled_from([f"g{i}" for i in range(12)]), min_size=1, max_size=25)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcd"), GROUPS, min_size=1, max_size=4),
    st.sampled_from([0.05, 0.15, 0.3, 0.5]),
    st.sampled_from([0.0, 0.05, 0.15, 0.5]),
    st.integers(0, 3),
)
def test_no_group_is_on_two_sides(groups: dict[str, list[str]], validation: float, held_out: float, seed: int) -> None:
    """Every picture is on one side, every label in training and validation; the same seed, the same split; or it is refused."""
    examples = trainings.examples(groups)
    try:
        parts = split(examples, validation, held_out, seed)
    except DataError:
        return  # what is said then, and when, is tested below
    assert sorted(np.concatenate(parts.all)) == list(range(len(examples)))
    sides = [{examples[i].group for i in part} for part in parts.all]
    assert sum(map(len, sides)) == len(set().union(*sides))
    for part in parts.all[:2]:
        assert {examples[i].label for i in part} == set(groups)
    assert held_out or not len(parts.held_out)
    again = split(examples, validation, held_out, seed)
    assert all(np.array_equal(one, other) for one, other in zip(parts.all, again.all, strict=True))


def test_each_label_keeps_its_share() -> None:
    """As closely as whole groups let it; another seed gives another split."""
    random = np.random.default_rng(0)
    groups = {label: [f"g{i}" for i in random.integers(0, 60, count)] for label, count in (("ill", 400), ("well", 100))}
    examples = trainings.examples(groups)
    parts = split(examples, 0.15, 0.15, 1)
    for part, share in zip(parts.all, (0.7, 0.15, 0.15), strict=True):
        assert len(part) / len(examples) == pytest.approx(share, abs=0.04)
        counts = Counter(examples[i].label for i in part)
        assert counts["ill"] / len(part) == pytest.approx(0.8, abs=0.05)
    assert not np.array_equal(parts.held_out, split(examples, 0.15, 0.15, 2).held_out)


@pytest.mark.parametrize(
    ("validation", "held_out", "tolerance"),
    [(0.1, 0.1, 0.02), (0.15, 0.15, 0.02), (0.4, 0.4, 0.02), (0.3, 0.3, 0.02), (0.45, 0.3, 0.04), (0.5, 0.2, 0.04)],
)
def test_sides_are_as_large_as_asked(validation: float, held_out: float, tolerance: float) -> None:
    """Whatever the share, where there are groups enough; also such as are no whole part."""
    examples = trainings.examples({label: [f"g{i}" for i in range(120)] for label in "ab"})
    parts = split(examples, validation, held_out, 1)
    assert len(parts.held_out) / 240 == pytest.approx(held_out, abs=tolerance)
    assert len(parts.validation) / 240 == pytest.approx(validation, abs=tolerance)


def test_a_plain_share_is_one_fold() -> None:
    """The one that scikit-learn makes, so that what was split once is split so again."""
    from sklearn.model_selection import StratifiedGroupKFold

    examples = trainings.examples(
        {label: [f"g{i}" for i in range(0, 120, step)] for label, step in (("a", 1), ("b", 2))}
    )
    labels, groups = [e.label for e in examples], [e.group for e in examples]
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=1).split(labels, labels, groups)
    held_out = split(examples, 0.1, 0.1, 1).held_out.tolist()
    assert held_out in [taken.tolist() for _, taken in folds]


def test_with_few_groups_a_side_is_as_near_as_they_let_it() -> None:
    """Nearly everything cannot be taken from the side that teaches."""
    few = trainings.examples({label: ["1", "2", "3", "4"] for label in "ab"})
    assert [len(part) for part in split(few, 0.3, 0.0, 1).all] == [6, 2, 0]
    assert [len(part) for part in split(few, 0.5, 0.5, 1).all] == [2, 2, 4]


def test_a_group_on_every_picture_is_well() -> None:
    """It is the finest split there is, with two hundred labels too."""
    groups = {f"label {i:03}": [f"{i}-{j}" for j in range(5)] for i in range(200)}
    examples = trainings.examples(groups)
    parts = split(examples, 0.15, 0.15, 1)
    for part in parts.all[:2]:
        assert len({examples[i].label for i in part}) == 200


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"a": ["1", "2", "3"]}, "all 3 pictures have the label a: a model needs two labels or more"),
        ({"a": ["1", "2"], "b": ["3"]}, "the label b has 1 picture of 1 group, too few"),
        ({"a": ["1", "2"], "b": ["3", "4"]}, "has 2 pictures of 2 groups, too few .* hold none out"),
        ({"a": ["1", "1", "1"], "b": ["2", "3", "4"]}, "the label a has 3 pictures of 1 group, too few"),
        ({"a": ["1", "2"] * 9, "b": ["1", "2"] * 9}, "has 18 pictures of 2 groups, too few"),
    ],
)
def test_what_cannot_be_split_is_refused(groups: dict[str, list[str]], said: str) -> None:
    """With the label, how much there is of it, and what to do."""
    with pytest.raises(DataError, match=said):
        split(trainings.examples(groups), 0.15, 0.15, 1)


def test_nothing_need_be_held_out() -> None:
    """Two groups are enough then."""
    parts = split(trainings.examples({"a": ["1", "2"], "b": ["1", "2"]}), 0.15, 0.0, 1)
    assert [len(part) for part in parts.all] == [2, 2, 0]
