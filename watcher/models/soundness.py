"""Does a model give probabilities? Tried on noise, before it is let near anybody's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import ModelError
from watcher.models.package import first_line, import_keras

if TYPE_CHECKING:
    import keras

# Probabilities of one picture may sum to 1 less or more than this, in float32 or bfloat16.
SUM_TOLERANCE = 0.02


def check_probabilities(model: keras.Model, said: str) -> None:
    """Raises ModelError, which names the model as `said`, unless its outputs are finite, not negative and sum to 1."""
    noise = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    try:
        scores = np.asarray(import_keras().ops.convert_to_numpy(model(noise, training=False)))
    except Exception as fault:
        raise ModelError(f"{said}: it cannot be run: {first_line(fault)}") from fault
    if not np.isfinite(scores).all() or scores.min() < 0 or np.abs(scores.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise ModelError(
            f"{said}: its outputs are no probabilities (for noise they reach from {scores.min():.3g} to "
            f"{scores.max():.3g}, sum {scores[0].sum():.3g}): end the model with softmax, "
            "or say which --preprocess it needs; weights that are damaged do this, too"
        )
