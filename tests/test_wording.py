"""Figures in words: as sure as they are, and no surer."""

from __future__ import annotations

import pytest
from scores import of_two, scored

from watcher.training.metrics import Measure, Metrics, measure
from watcher.training.scored import Scored
from watcher.training.wording import headline


def two(well: tuple[int, int], ill: tuple[int, int], groups: int = 50) -> Scored:
    """Of each label so many that it finds, and so many that it does not."""
    truth = [0] * sum(well) + [1] * sum(ill)
    score = [0.1] * well[0] + [0.9] * well[1] + [0.9] * ill[0] + [0.1] * ill[1]
    return of_two(truth, score, [place % groups for place in range(len(truth))])


def told(some: Scored) -> tuple[Metrics, list[str]]:
    """The figures and the headline."""
    metrics = measure(some, rounds=200)
    return metrics, headline(metrics)


@pytest.mark.parametrize(
    ("well", "ill", "said"),
    [
        ((90, 0), (0, 10), "That is no better than always saying label 0, which would be right for 90 of 100"),
        ((25, 25), (25, 25), "That is no better than always saying label 0, which would be right for 50 of 100"),
        ((27, 23), (26, 24), "That may be no better than always saying label 0, which would be right for 50 of 100"),
        (
            (170, 20),
            (9, 1),
            "Always saying label 0 would be right for 95 of 100, which is no less, but would find none",
        ),
    ],
)
def test_what_is_no_better_than_guessing_is_said(well: tuple[int, int], ill: tuple[int, int], said: str) -> None:
    """Of few ill ones a model may be wrong more often than who never looks, and yet find them."""
    _, sentences = told(two(well, ill))
    assert len(sentences) == 3
    assert sentences[2].startswith(said)


@pytest.mark.parametrize(("well", "ill"), [((95, 5), (90, 10)), ((186, 4), (8, 2)), ((100, 0), (0, 0))])
def test_what_is_better_is_left_at_its_figures(well: tuple[int, int], ill: tuple[int, int]) -> None:
    """And with one label alone there is nothing to be better than."""
    _, sentences = told(two(well, ill))
    assert not [sentence for sentence in sentences if "always" in sentence.lower()]


def test_many_labels_are_compared_with_the_commonest() -> None:
    """Also without a positive one."""
    truth = [0, 0, 0, 1, 2] * 10
    _, sentences = told(scored(truth, [[0.8, 0.1, 0.1]] * 50, [place // 5 for place in range(50)]))
    assert sentences[0].startswith("Of 100 pictures it names 60 rightly")
    assert "no better than always saying label 0, which would be right for 60 of 100" in sentences[1]


def test_certainty_is_told_as_far_as_it_goes() -> None:
    """Nothing is sure between 100 and 100; and what is more than 99.9 has no other end."""
    metrics, sentences = told(two((40, 0), (50, 0)))
    assert sentences[0] == "Of 100 that truly are label 1 it finds 100 (with 95 % certainty between 92.9 and 100)."
    assert metrics.specificity.low == pytest.approx(0.9124, abs=1e-4)
    _, sentences = told(two((0, 50), (20_000, 0), groups=2000))
    assert sentences[0].endswith("it finds 100 (with 95 % certainty more than 99.9).")
    assert sentences[1].endswith("it calls 0 so (with 95 % certainty between 0 and 7.1).")
    close = Measure(value=0.9, low=0.90001, high=0.90002)
    assert headline(metrics.model_copy(update={"sensitivity": close}))[0].endswith("90 (with 95 % certainty about 90).")
