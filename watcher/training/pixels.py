"""Every example read once: its pixels at the model's size, in one file that training reads from again and again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.models.durable import replace_text
from watcher.training.mapped import new_array
from watcher.vision.decode import decode, squashed
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from watcher.training.examples import Example
    from watcher.training.watching import Progress

MAX_MEGAPIXELS = 100.0
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An example that is no picture, and why."""

    example: Example
    reason: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """What was read: `array` is uint8 [n, side, side, 3], mapped from its file, in the order of `examples`."""

    array: NDArray[np.uint8]
    examples: tuple[Example, ...]
    contents: tuple[str, ...]
    """The SHA-256 of each example's file."""
    unreadable: tuple[Unreadable, ...]


def read_pixels(examples: Sequence[Example], side: int, folder: Path, progress: Progress) -> Pixels:
    """Reads the examples into `folder`, squashed to `side` x `side`; what an earlier call read there is taken as it is.

    `progress` is told how many are done, of how many. Raises OSError where the folder cannot be written.
    """
    array_path, notes_path = folder / "pixels.npy", folder / "pixels.json"
    if not notes_path.is_file():
        array = new_array(array_path, np.uint8, (len(examples), side, side, 3))
        notes = list(_read_all(examples, side, array, progress))
        array.flush()
        replace_text(notes_path, json.dumps(notes))
    notes = json.loads(notes_path.read_text("utf-8"))
    kept = [i for i, note in enumerate(notes) if "sha256" in note]
    array = np.lib.format.open_memmap(array_path, "r")
    return Pixels(
        array if len(kept) == len(examples) else array[kept],
        tuple(examples[i] for i in kept),
        tuple(notes[i]["sha256"] for i in kept),
        tuple(Unreadable(examples[i], note["reason"]) for i, note in enumerate(notes) if "reason" in note),
    )


def _read_all(
    examples: Sequence[Example], side: int, array: NDArray[np.uint8], progress: Progress
) -> list[dict[str, str]]:
    notes: list[dict[str, str]] = []
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for start in range(0, len(examples), _CHUNK):
            chunk = range(start, min(start + _CHUNK, len(examples)))
            notes += pool.map(lambda i: _read(examples[i], side, array[i]), chunk)
            progress(chunk.stop, len(examples))
    return notes


def _read(example: Example, side: int, into: NDArray[np.uint8]) -> dict[str, str]:
    try:
        data = example.path.read_bytes()
    except OSError as fault:
        return {"reason": f"it cannot be read: {fault.strerror}"}
    image = decode(data, MAX_MEGAPIXELS)
    if isinstance(image, Failed):
        return {"reason": image.reason}
    into[:] = squashed(image, side)
    return {"sha256": hashlib.sha256(data).hexdigest()}


def duplicates(pixels: Pixels) -> list[tuple[int, ...]]:
    """Sets of examples whose files are the same, byte for byte, as indices."""
    places: dict[str, list[int]] = {}
    for i, content in enumerate(pixels.contents):
        places.setdefault(content, []).append(i)
    return [tuple(found) for found in places.values() if len(found) > 1]
