"""Which groups judge a job's models: the same ones for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.errors import DataError
from watcher.jobs.held_out import judges_of, place
from watcher.training.examples import Example


def examples(groups: dict[str, str]) -> list[Example]:
    """A picture of every label (a letter) of each group."""
    return [Example(Path(f"{group}-{label}"), label, group) for group, labels in groups.items() for label in labels]


def test_about_the_share_is_held_out() -> None:
    """By a digest that spreads names evenly."""
    groups = {f"slide {number}": "ab" for number in range(2000)}
    assert 250 < len(judges_of(examples(groups), 0.15)) < 350


@given(st.integers(5, 200), st.integers(0, 300), st.floats(0.05, 0.5))
def test_more_pictures_never_bring_a_judge_into_training(before: int, more: int, share: float) -> None:
    """Whatever groups come later, those that judged still judge."""
    first = {f"slide {number}": "ab" for number in range(before)}
    judges = judges_of(examples(first), share)
    later = first | {f"late {number}": "ab" for number in range(more)}
    assert judges <= judges_of(examples(later), share, judges)
    assert all(place(group) < share for group in judges_of(examples(later), share, judges) - judges) or len(judges) == 1


def test_every_label_has_a_judge_where_groups_are_few() -> None:
    """Even with a share that a digest may miss, as long as two groups of each label are left."""
    for number in range(50):
        groups = {f"{number}-{letter}": letter[0] for letter in ("a1", "a2", "a3", "b1", "b2", "b3")}
        judges = judges_of(examples(groups), 0.01)
        assert {judge.split("-")[1][0] for judge in judges} == {"a", "b"}
        assert len(judges) == 2


def test_what_is_needed_to_learn_from_is_not_held_out() -> None:
    """Two groups of a label teach and choose; none is left to judge."""
    assert judges_of(examples({"1": "ab", "2": "ab"}), 0.5) == frozenset()


def test_holding_nothing_out_is_refused() -> None:
    """There would be nothing to compare two models by."""
    with pytest.raises(DataError, match="set held_out under"):
        judges_of(examples({"1": "ab", "2": "ab", "3": "ab"}), 0.0)
