"""What is learned: inputs, how likely each label is thought to be, and how much each picture counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lesson:
    """`inputs` are features float16 [views, n, width] or Rows of pixels uint8 [n, side, side, 3]; validation has one view.

    `targets` are float32 [n, labels], `weights` float32 [n], `validation_truth` int64 [validation].
    """

    inputs: Any
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    validation_inputs: Any
    validation_truth: NDArray[np.int64]


def targets_of(truth: NDArray[np.int64], labels: int, smoothing: float) -> NDArray[np.float32]:
    """One-hot rows, of which `smoothing` is spread over all labels (Szegedy et al. 2016)."""
    return np.asarray(np.eye(labels)[truth] * (1 - smoothing) + smoothing / labels, np.float32)


def weights_of(truth: NDArray[np.int64], labels: int, *, balanced: bool) -> NDArray[np.float32]:
    """1 for each picture or, balanced, so much that every label weighs alike; the mean is 1."""
    if not balanced:
        return np.ones(len(truth), np.float32)
    counts = np.bincount(truth, minlength=labels)
    return np.asarray((len(truth) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[truth], np.float32)


def judged(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """The cross-entropy of each picture [n], in nats, and the accuracy of logits [n, labels]."""
    with np.errstate(invalid="ignore"):  # a network that went astray says what is no number, and that shows
        losses = -log_softmax(logits)[np.arange(len(truth)), truth]
    return losses, float((logits.argmax(axis=1) == truth).mean())


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)
