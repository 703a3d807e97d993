"""Scored pictures for tests of what is made of them: no files behind them unless a test gives some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from watcher.training.scored import Scored


def scored(
    truth: Sequence[int],
    scores: Sequence[Sequence[float]] | np.ndarray,
    groups: Sequence[object] | None = None,
    labels: tuple[str, ...] | None = None,
    paths: Sequence[Path] | None = None,
) -> Scored:
    """Of two labels the second is the positive one; without groups each picture is its own."""
    matrix = np.asarray(scores, np.float32)
    names = labels or tuple(f"label {place}" for place in range(matrix.shape[1]))
    return Scored(
        names,
        np.asarray(truth, np.int64),
        matrix,
        tuple(map(str, groups if groups is not None else range(len(truth)))),
        tuple(paths or (Path(f"{place}.png") for place in range(len(truth)))),
        names[1] if len(names) == 2 else None,
    )


def of_two(truth: Sequence[int], positive: Sequence[float], groups: Sequence[object] | None = None) -> Scored:
    """Two labels, by the scores of the positive one."""
    second = np.asarray(positive, np.float64)
    return scored(truth, np.stack([1 - second, second], axis=1), groups)


def drawn(count: int, labels: int, groups: int, seed: int = 0, decimals: int = 6) -> Scored:
    """A model of some skill on random pictures; few `decimals` make scores that are equal."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, count)
    logits = random.normal(size=(count, labels))
    logits[np.arange(count), truth] += 1.2
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return scored(truth, scores.round(decimals), random.integers(0, groups, count))
