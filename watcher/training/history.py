"""What one pass over the training pictures came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. Losses are cross-entropies in nats, the accuracy a share (0..1), on pictures not learned from."""

    phase: str
    """What was trained: the head alone, then perhaps the top blocks too."""
    number: int
    """From 1, within its phase."""
    seconds: float
    loss: float
    validation_loss: float
    validation_accuracy: float
