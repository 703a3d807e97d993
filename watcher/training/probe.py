"""The head on cached features: logistic regression, which has one best solution and is found in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.training.history import Epoch
from watcher.training.lesson import judged, log_softmax
from watcher.training.network import EPSILON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.training.lesson import Lesson
    from watcher.training.watching import Progress

    Array = NDArray[np.float32]

# What the sum of squared weights costs against the mean loss of a picture: from so much that only the
# plainest signs count, to so little that a small set is learned by heart.
PENALTIES = tuple(float(10.0**power) for power in np.arange(1.0, -4.01, -0.5))
# Steps of L-BFGS at each penalty, from where the stronger one ended, and the relative gain that is worth one more.
STEPS = 40
GAIN = 1e-5
# After so many penalties without a better validation loss the weaker ones are not tried.
PATIENCE = 2
# Bytes of features, as float32, that are held at a time; of more views than fit the first are taken.
MEMORY = 3 << 30


@dataclass(frozen=True, slots=True)
class Scale:
    """The mean and variance of each feature, float32 [width]."""

    mean: Array
    variance: Array

    @classmethod
    def of(cls, features: NDArray[Any]) -> Scale:
        values = features.astype(np.float32)
        return cls(values.mean(axis=0), values.var(axis=0))

    def __call__(self, features: NDArray[Any]) -> Array:
        scaled = features.astype(np.float32)
        self.apply(scaled)
        return scaled

    def apply(self, features: Array) -> None:
        """Scales them in place."""
        features -= self.mean
        features /= np.sqrt(self.variance + EPSILON)


@dataclass(frozen=True, slots=True)
class Head:
    """Scaled features [n, width] times `weights` [width, labels], plus `biases` [labels], are logits."""

    weights: Array
    biases: Array

    def __call__(self, scaled: Array) -> Array:
        return scaled @ self.weights + self.biases

    def empty(self) -> Head:
        """One that knows nothing yet: what begins at a head has learned from its pictures, too."""
        return Head(np.zeros_like(self.weights), np.zeros_like(self.biases))


@dataclass(frozen=True, slots=True)
class Probe:
    """The head with the best validation loss, the penalty that it was found at, and all that were tried."""

    head: Head
    penalty: float
    history: tuple[Epoch, ...]


def solve(lesson: Lesson, scale: Scale, progress: Progress) -> Probe:
    """Follows the solutions from the strongest penalty to weaker ones, and takes one by the validation pictures.

    Of those that are as good as the best to within its standard error it is the most strongly penalised (Hastie
    et al. 2009, section 7.10): few validation pictures cannot tell them apart.
    """
    scaled, targets, weights = rows(lesson, scale)
    choosing = scale(lesson.validation_inputs)
    tried: list[tuple[Head, Epoch, float]] = []
    head = Head(np.zeros((scaled.shape[1], targets.shape[1]), np.float32), np.zeros(targets.shape[1], np.float32))
    best = 0
    for number, penalty in enumerate(PENALTIES):
        start = time.monotonic()
        head, loss = minimise(scaled, targets, weights, penalty, head)
        losses, accuracy = judged(head(choosing), lesson.validation_truth)
        validation_loss = float(losses.mean())
        epoch = Epoch("head", number + 1, time.monotonic() - start, loss, validation_loss, accuracy)
        tried.append((head, epoch, float(losses.std() / np.sqrt(len(losses)))))
        if validation_loss < tried[best][1].validation_loss:
            best = number
        elif number - best >= PATIENCE:
            break
        progress(number + 1, len(PENALTIES))
    progress(len(PENALTIES), len(PENALTIES))
    enough = tried[best][1].validation_loss + tried[best][2]
    chosen = next(number for number, (_, epoch, _) in enumerate(tried) if epoch.validation_loss <= enough)
    return Probe(tried[chosen][0], PENALTIES[chosen], tuple(epoch for _, epoch, _ in tried))


def minimise(scaled: Array, targets: Array, weights: Array, penalty: float, start: Head) -> tuple[Head, float]:
    """Multinomial logistic regression by L-BFGS (scipy), and its mean loss in nats without the penalty."""
    from scipy.optimize import minimize

    width, labels = start.weights.shape
    weighted = (weights / weights.sum())[:, None]

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        head = _head(flat, width, labels)
        log_scores = log_softmax(head(scaled))
        error = (np.exp(log_scores) - targets) * weighted
        slope = np.concatenate([scaled.T @ error + 2 * penalty * head.weights, error.sum(axis=0)[None]])
        loss = -float(np.sum(targets * log_scores * weighted)) + penalty * float(np.sum(np.square(head.weights)))
        return loss, slope.ravel().astype(np.float64)

    flat = np.concatenate([start.weights, start.biases[None]]).ravel().astype(np.float64)
    found = minimize(cost, flat, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": GAIN})
    head = _head(found.x, width, labels)
    return head, float(found.fun) - penalty * float(np.sum(np.square(head.weights)))


def _head(flat: NDArray[np.float64], width: int, labels: int) -> Head:
    both = flat.reshape(width + 1, labels).astype(np.float32)
    return Head(both[:-1], both[-1])


def views_that_fit(views: int, count: int, width: int) -> int:
    """Of so many views of `count` pictures, with `width` features each, those that a head can learn from: at least one."""
    return min(views, max(1, MEMORY // (count * width * 4)))


def rows(lesson: Lesson, scale: Scale, chosen: slice | NDArray[np.int64] = slice(None)) -> tuple[Array, Array, Array]:
    """Every view of every picture, or of the chosen ones, as a row of its own: scaled features, targets, weights."""
    targets, weights = lesson.targets[chosen], lesson.weights[chosen]
    count, width = len(targets), lesson.inputs.shape[2]
    views = views_that_fit(len(lesson.inputs), count, width)
    scaled = np.empty((views * count, width), np.float32)  # once, for it may be all that fits
    for view in range(views):
        part = scaled[view * count : (view + 1) * count]
        part[:] = lesson.inputs[view][chosen]
        scale.apply(part)
    return scaled, np.tile(targets, (views, 1)), np.tile(weights, views)
