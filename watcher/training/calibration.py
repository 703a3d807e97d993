"""Scores that mean what they say, and the score below which a person should look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watcher.training.lesson import log_softmax
from watcher.vision.vision import calibrated

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sharper or softer than this says that something else is wrong.
_COLDEST, _HOTTEST = 0.05, 20.0
# However doubtful a model is, most of its results must not ask for a person.
MOST_REVIEWED = 0.2
# Rarer than this many pictures, right and wrong cannot be told apart by a threshold.
FEWEST = 20


def temperature(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """What the log-probabilities [n, labels] are to be divided by so that `truth` [n] is likeliest.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599; one number, so few pictures are enough.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scores = calibrated(probabilities, float(np.exp(log_temperature)))
        return -float(np.mean(np.log(np.clip(scores[rows, truth], 1e-12, 1))))

    found = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return float(np.exp(float(found.x)))


def shifts(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float32]:
    """What to add to the logits [n, labels] so that each label is said as often as it is true; float32 [labels].

    Learned together with a temperature (bias-corrected temperature scaling; Alexandari et al. 2020,
    https://arxiv.org/abs/1901.06852): learning with class weights, for one, makes rare labels too likely. The biases are
    held near 0 by a normal prior, which matters where pictures are few.
    """
    from scipy.optimize import minimize

    count, labels = logits.shape
    rows = np.arange(count)

    def loss(parameters: NDArray[np.float64]) -> float:
        biases = parameters[1:]
        log_scores = log_softmax(logits / np.exp(parameters[0]) + biases.astype(np.float32))
        prior = np.sum(np.square(biases)) / (2 * count)
        return float(prior - np.mean(log_scores[rows, truth]))

    found = minimize(loss, np.zeros(labels + 1), method="L-BFGS-B", bounds=[(-3, 3), *[(-5, 5)] * labels])
    return np.asarray(found.x[1:] * np.exp(found.x[0]), np.float32)


def review_threshold(scores: NDArray[np.float32], truth: NDArray[np.int64], accuracy: float) -> float:
    """The lowest best score from which on results [n, labels] are right so often; at most a fifth lie below it.

    Never below 1 / labels plus a bit: nothing the model knows nothing of may pass.
    """
    best = scores.max(axis=1)
    right = scores.argmax(axis=1) == truth
    least = min(1.0, 1.2 / scores.shape[1])
    order = np.argsort(-best)
    share_right = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((share_right >= accuracy) & (np.arange(len(order)) >= min(FEWEST, len(order)) - 1))
    kept = max(good[-1] + 1 if len(good) else 0, int(np.ceil(len(order) * (1 - MOST_REVIEWED))))
    return float(np.maximum(best[order[kept - 1]], least))
