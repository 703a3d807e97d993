"""The features of every picture, computed once: with a frozen base the head needs nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models.durable import replace_text
from watcher.models.package import import_keras
from watcher.training.mapped import Rows, new_array
from watcher.training.network import BATCH, outputs

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from watcher.training.watching import Progress

# Batches after which what was computed is made safe.
BATCHES_KEPT = 20
# float16 reaches 65,504; activations beyond say no more than that.
_LARGEST = 6e4


def cached_features(
    features: keras.Model,
    augment: keras.Model,
    pixels: NDArray[np.uint8] | Rows,
    views: int,
    file: Path,
    progress: Progress,
) -> NDArray[np.float16]:
    """[views, n, width] float16, kept in `file`: the first view is the picture itself, the others are changed.

    A call that was cut short is taken up where it was, to some batches, and comes to the same. Raises OSError where
    the file cannot be written.
    """
    done_file = file.with_suffix(".json")
    total = views * len(pixels)
    done = json.loads(done_file.read_text("utf-8")) if done_file.is_file() and file.is_file() else 0
    cache: np.memmap[Any, np.dtype[np.float16]] | None = np.lib.format.open_memmap(file, "r+") if done else None
    starts = [(view, start) for view in range(views) for start in range(0, len(pixels), BATCH)]
    for view, start in starts:
        if done == total:
            break
        batch = pixels[start : start + BATCH]
        # What is done is changed again, too, so that chance goes on where it was.
        changed = batch if view == 0 else _changed(augment, batch)
        if view * len(pixels) + start < done:
            continue
        found = outputs(features, changed)
        if cache is None:
            cache = new_array(file, np.float16, (views, len(pixels), found.shape[1]))
        cache[view, start : start + len(batch)] = np.clip(found, -_LARGEST, _LARGEST)
        done = view * len(pixels) + start + len(batch)
        if done == total or (start // BATCH) % BATCHES_KEPT == 0:
            cache.flush()
            replace_text(done_file, json.dumps(done))
        progress(done, total)
    assert cache is not None
    return np.lib.format.open_memmap(file, "r")


def _changed(augment: keras.Model, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(import_keras().ops.convert_to_numpy(augment(batch.astype(np.float32), training=True)))
