"""In which precision a base computes fastest here."""

from __future__ import annotations

import time
from collections.abc import Callable
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
# Of so many timings the best counts: what else the machine does can only make one slower.
TIMINGS = 3


def policy(recipe: Recipe, sample: NDArray[np.uint8], note: Callable[[str], None] = lambda _: None) -> str:
    """Keras' dtype policy for the base: what the recipe says, or for "auto" what one batch of `sample` shows.

    `sample` is uint8 [n, side, side, 3]. `note` is told what was chosen for "auto", and why.

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
    if quick >= FASTER * slow:
        note(f"{recipe.base} computes in float32, for bfloat16 is not faster here")
        return "float32"
    if not alike > ALIKE:
        note(f"{recipe.base} computes in float32, for bfloat16 would change what it sees")
        return "float32"
    note(f"{recipe.base} computes in bfloat16, {slow / quick:.1f} times as fast here as float32")
    return "mixed_bfloat16"


def _timed(name: str, recipe: Recipe, pixels: NDArray[np.uint8]) -> tuple[float, NDArray[np.float32]]:
    features = build(recipe, 2, name).features
    found = outputs(features, pixels)  # the first call also compiles
    best = float("inf")
    for _ in range(TIMINGS):
        start = time.perf_counter()
        outputs(features, pixels)
        best = min(best, time.perf_counter() - start)
    return best, found
