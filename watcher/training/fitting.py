"""Fitting, an epoch at a time: the best weights are kept, and a stopped run goes on at its last whole epoch."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.errors import DataError
from watcher.training.history import Epoch
from watcher.training.lesson import judged

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from watcher.training.checkpoint import Checkpoint, Standing
    from watcher.training.watching import Progress

    # Inputs, targets [batch, labels] and weights [batch].
    Batch = tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is to be fitted, on what, and for how long."""

    phase: str
    model: keras.Model
    """Compiled; inputs to logits. It is trained."""
    kept: keras.Model
    """Shares its weights; the best epoch's are kept of it."""
    batches: Callable[[int], Iterator[Batch]]
    """The batches of an epoch, counted from 0, always the same for the same epoch."""
    steps: int
    """Batches in an epoch."""
    validate: Callable[[], NDArray[np.float32]]
    """Logits [n, labels] of the validation pictures as the model is now."""
    truth: NDArray[np.int64]
    """Their true labels [n]."""
    epochs: int
    patience: int


def fit(plan: Fit, checkpoint: Checkpoint, progress: Progress, *, best: bool = True) -> Standing:
    """Fits until the epochs are done or nothing improves, from where `checkpoint` stands; leaves the best weights in.

    With `best=False` every epoch counts as better than the one before, so that the validation pictures choose nothing.

    `progress` is told the batches done, of all that there may be. Raises DataError if the losses leave all bounds.
    """
    standing = checkpoint.standing()
    if not standing.finished:
        checkpoint.restore(plan.model)
        while not _enough(plan, standing):
            standing = _epoch(plan, standing, checkpoint, progress, best=best)
            if not math.isfinite(standing.history[-1].validation_loss):
                raise DataError(f"{plan.phase} went astray in epoch {len(standing.history)}: lower its learning_rate")
        checkpoint.finish(standing)
    checkpoint.restore_best(plan.kept)
    return standing


def _enough(plan: Fit, standing: Standing) -> bool:
    return len(standing.history) >= plan.epochs or standing.since_best >= plan.patience


def _epoch(plan: Fit, standing: Standing, checkpoint: Checkpoint, progress: Progress, *, best: bool) -> Standing:
    number = len(standing.history)
    start = time.monotonic()
    loss = _teach(plan, number, progress)
    with _averaged(plan.model):
        losses, accuracy = judged(plan.validate(), plan.truth)
        validation_loss = float(losses.mean()) if np.isfinite(losses).all() else math.inf
        epoch = Epoch(plan.phase, number + 1, time.monotonic() - start, loss, validation_loss, accuracy)
        better = not best or standing.best is None or epoch.validation_loss < standing.best_loss
        update = {"history": (*standing.history, epoch), "best": number if better else standing.best}
        standing = standing.model_copy(update=update)
        if better:
            checkpoint.save_best(standing, plan.kept)
    checkpoint.save(standing, plan.model)
    return standing


def _teach(plan: Fit, number: int, progress: Progress) -> float:
    """One epoch's training; the mean loss."""
    done, losses = number * plan.steps, []
    for batch, (inputs, targets, weights) in enumerate(plan.batches(number)):
        losses.append(plan.model.train_on_batch(inputs, targets, sample_weight=weights))
        plan.model.reset_metrics()
        progress(done + batch + 1, plan.epochs * plan.steps)
    return float(np.mean(losses))


@contextlib.contextmanager
def _averaged(model: keras.Model) -> Iterator[None]:
    """Where the optimizer averages weights over its steps (Polyak and Juditsky 1992), the averages stand in meanwhile.

    They are validated and kept; the training itself goes on from the weights as they were.
    """
    variables = model.trainable_variables
    own = [variable.numpy().copy() for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
