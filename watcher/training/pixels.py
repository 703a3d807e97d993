"""Every example read once: its pixels at the model's size, in one file that training reads from again and again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models.durable import replace_text
from watcher.training.examples import Unreadable
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
# Chunks after which what was read is made safe; of very many pictures, parts of the whole.
CHUNKS_KEPT = 4
PARTS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Pixels:
    """What was read: `array` is uint8 [n, side, side, 3], mapped from its file, in the order of `examples`.

    Those are the readable ones alone, so that no row must be left out of the file, which would copy it into memory.
    """

    array: NDArray[np.uint8]
    examples: tuple[Example, ...]
    contents: tuple[str, ...]
    """The SHA-256 of each example's file."""
    unreadable: tuple[Unreadable, ...]


def read_pixels(examples: Sequence[Example], side: int, folder: Path, progress: Progress) -> Pixels:
    """Reads the examples into `folder`, squashed to `side` x `side`; what an earlier call read there is taken as it is.

    A call that was cut short is taken up where it was, to some chunks. `progress` is told how many are done, of how
    many. Raises OSError where the folder cannot be written.
    """
    array_path, notes_path = folder / "pixels.npy", folder / "pixels.json"
    notes: list[dict[str, str]] = json.loads(notes_path.read_text("utf-8")) if notes_path.is_file() else []
    if len(notes) < len(examples):
        if notes:
            array = np.lib.format.open_memmap(array_path, "r+")
        else:
            array = new_array(array_path, np.uint8, (len(examples), side, side, 3))
        _read_on(examples, side, array, notes, notes_path, progress)
    kept = [i for i, note in enumerate(notes) if "sha256" in note]
    return Pixels(
        np.lib.format.open_memmap(array_path, "r")[: len(kept)],
        tuple(examples[i] for i in kept),
        tuple(notes[i]["sha256"] for i in kept),
        tuple(Unreadable(examples[i].path, note["reason"]) for i, note in enumerate(notes) if "reason" in note),
    )


def _read_on(
    examples: Sequence[Example],
    side: int,
    array: np.memmap[Any, np.dtype[Any]],
    notes: list[dict[str, str]],
    notes_path: Path,
    progress: Progress,
) -> None:
    """Reads what `notes` do not tell of yet, adds what they are to tell, and keeps them in their file."""
    often = max(_CHUNK * CHUNKS_KEPT, len(examples) // PARTS_KEPT)
    noted = len(notes)
    row = sum("sha256" in note for note in notes)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for start in range(len(notes), len(examples), _CHUNK):
            chunk = examples[start : start + _CHUNK]
            found = list(pool.map(_read, chunk, repeat(side), array[row : row + len(chunk)]))
            row = _closed_up(array, row, found)
            notes += found
            if len(notes) == len(examples) or len(notes) - noted >= often:
                array.flush()
                replace_text(notes_path, json.dumps(notes))
                noted = len(notes)
            progress(len(notes), len(examples))


def _closed_up(array: NDArray[np.uint8], row: int, found: Sequence[dict[str, str]]) -> int:
    """Rows from `row` on, of which those of unreadable pictures are taken out; the row after the last that is left."""
    for read_into, note in enumerate(found, row):
        if "sha256" in note:
            if row != read_into:
                array[row] = array[read_into]
            row += 1
    return row


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
