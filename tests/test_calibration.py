"""Scores that mean what they say, and where a person should look."""

from __future__ import annotations

import numpy as np
import pytest

from watcher.training.calibration import review_threshold, temperature
from watcher.vision.vision import calibrated


def scores(sharpness: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are `sharpness` times too sure of themselves, and truths drawn by the right ones."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (count, 3))
    right = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random((count, 1)) > right.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    said = np.exp(logits * sharpness) / np.exp(logits * sharpness).sum(axis=1, keepdims=True)
    return said.astype(np.float32), truth


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_too_sure_and_too_timid(sharpness: float) -> None:
    """What comes out are probabilities, and as sure as they are right."""
    said, truth = scores(sharpness)
    found = temperature(said, truth)
    assert found == pytest.approx(sharpness, rel=0.05)
    mended = calibrated(said, found)
    assert np.allclose(mended.sum(axis=1), 1, atol=1e-5)
    assert mended.max(axis=1).mean() == pytest.approx((mended.argmax(axis=1) == truth).mean(), abs=0.01)


def test_a_model_that_is_never_wrong_is_not_made_infinitely_sure() -> None:
    """Nor one that is always wrong infinitely timid."""
    said = np.tile(np.float32([0.9, 0.1]), (50, 1))
    assert 0.05 <= temperature(said, np.zeros(50, int)) < 0.2
    assert 5 < temperature(said, np.ones(50, int)) <= 20


def two(best: np.ndarray) -> np.ndarray:
    return np.stack([best, 1 - best], axis=1).astype(np.float32)


def test_results_above_the_threshold_are_right_so_often() -> None:
    """And it is the lowest such."""
    best = np.linspace(1.0, 0.65, 1000)
    truth = (np.arange(1000) >= 900).astype(int)  # the least certain tenth is wrong
    threshold = review_threshold(two(best), truth, 0.95)
    kept = best >= threshold
    assert (truth[kept] == 0).mean() == pytest.approx(0.95, abs=0.002)
    assert review_threshold(two(best), truth, 0.90) < threshold < review_threshold(two(best), truth, 0.99)


def test_most_results_need_no_person() -> None:
    """However bad the model is, at most a fifth lie below."""
    best = np.linspace(1.0, 0.65, 1000)
    truth = np.arange(1000) % 2
    assert (best < review_threshold(two(best), truth, 0.99)).mean() == pytest.approx(0.2, abs=0.01)


def test_chance_never_passes() -> None:
    """Even if all that chose the threshold were at chance; and where all are certain, that is no reason to ask."""
    assert review_threshold(two(np.full(100, 0.5)), np.zeros(100, int), 0.5) == pytest.approx(0.6)
    assert review_threshold(two(np.ones(100)), np.zeros(100, int), 0.99) == 1.0
    assert review_threshold(two(np.array([0.9, 0.8])), np.zeros(2, int), 0.99) == pytest.approx(0.8)
