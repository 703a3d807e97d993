"""In which precision a base computes fastest here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import structlog

from watcher.training.network import BATCH, build, outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.training.recipe import Recipe

log = structlog.get_logger()

# How alike features must be to those in float32, as the cosine between them, for the faster precision to be taken;
# and how much faster it must be, for timings are noisy.
ALIKE = 0.999
FASTER = 0.9


def policy(recipe: Recipe, sample: NDArray[np.uint8]) -> str:
    """Keras' dtype policy for the base: what the recipe says, or for "auto" what one batch of `sample` shows.

    bfloat16 is twice to six times as fast as float32 for large convolutions where the processor multiplies it (AMX,
    AVX512-BF16, GPUs), and slower for depthwise ones. Variables stay float32 (Micikevicius et al. 2018).
    """
    if recipe.precision != "auto":
        return recipe.precision if recipe.precision == "float32" else f"mixed_{recipe.precision}"
    slow, exact = _timed("float32", recipe, sample[:BATCH])
    quick, close = _timed("mixed_bfloat16", recipe, sample[:BATCH])
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(close, axis=1)
    alike = float(np.min(np.sum(exact * close, axis=1) / np.maximum(lengths, 1e-12)))
    log.debug("precision", float32_seconds=slow, bfloat16_seconds=quick, alike=alike)
    return "mixed_bfloat16" if quick < FASTER * slow and alike > ALIKE else "float32"


def _timed(name: str, recipe: Recipe, pixels: NDArray[np.uint8]) -> tuple[float, NDArray[np.float32]]:
    features = build(recipe, 2, name).features
    found = outputs(features, pixels)  # the first call also compiles
    start = time.perf_counter()
    outputs(features, pixels)
    return time.perf_counter() - start, found
