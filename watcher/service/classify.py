"""Pictures classified now, from wherever they are: no home, no claims, no database."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Seen
from watcher.intake.names import clean, tagged
from watcher.intake.scan import scan
from watcher.service.publishing import version_of
from watcher.vision.annotate import annotate
from watcher.vision.decode import seen_of
from watcher.vision.encode import Caption, annotated_name, encode, read_caption, suffix_for
from watcher.vision.heatmap import HeatMap
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from watcher.vision.vision import Vision

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Target:
    """A picture to classify, what it is called among the annotated copies, and its true label, if that is known."""

    path: Path
    name: str
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for one picture, and its annotated copy, if there is one."""

    path: Path
    outcome: Classified | Failed
    copy: Path | None = None


def targets(paths: Iterable[Path]) -> Iterator[Target]:
    """The pictures at the paths, those in folders by name; what is given by name is tried whatever its name."""
    for path in paths:
        if path.is_dir():
            found = sorted(item.path for item in scan(path) if isinstance(item, Seen))
            yield from (Target(path / name, name) for name in found)
        else:
            yield Target(path, path.name)


def classify(
    pictures: Iterable[Target], vision: Vision, batch_size: int, annotate_into: Path | None = None
) -> Iterator[Result]:
    """One result for each picture, in order; two batches are read ahead, at the model's size.

    With `annotate_into`, annotated copies are written there: an older one of the same name is replaced, any
    other file is not. Raises OSError if that fails.
    """
    copies = _Copies(vision, annotate_into) if annotate_into is not None else None
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        ahead: deque[tuple[Target, Future[Pixels | Failed]]] = deque()
        for target in pictures:
            ahead.append((target, pool.submit(_read, target.path, vision)))
            if len(ahead) == 2 * batch_size:
                yield from _finish([ahead.popleft() for _ in range(batch_size)], vision, copies, pool)
        while ahead:
            some = min(batch_size, len(ahead))
            yield from _finish([ahead.popleft() for _ in range(some)], vision, copies, pool)


def _read(path: Path, vision: Vision) -> Pixels | Failed:
    """What the model gets of a picture: whole pictures, two batches of them, would fill the memory."""
    found = _decode(path, vision)
    return found if isinstance(found, Failed) else found.pixels


def _decode(path: Path, vision: Vision) -> Picture | Failed:
    try:
        if not path.is_file():
            return Failed("there is no such file" if not os.path.lexists(path) else "it is not a regular file")
        return vision.decode(path.read_bytes())
    except OSError as fault:
        return Failed(f"it cannot be read: {fault.strerror}")


def _finish(
    batch: list[tuple[Target, Future[Pixels | Failed]]],
    vision: Vision,
    copies: _Copies | None,
    pool: ThreadPoolExecutor,
) -> Iterator[Result]:
    read = [(target, future.result()) for target, future in batch]
    outcomes = iter(vision.classify([found for _, found in read if not isinstance(found, Failed)]))
    judged = [(target, found if isinstance(found, Failed) else next(outcomes)) for target, found in read]
    written: list[Path | None] = [None] * len(judged)
    if copies is not None:
        written = list(pool.map(lambda item: copies.write(*item), judged))
    for (target, outcome), copy in zip(judged, written, strict=True):
        yield Result(target.path, outcome, copy)


class _Copies:
    """Writes annotated copies into a folder, in any thread; no two under one name."""

    def __init__(self, vision: Vision, folder: Path) -> None:
        self._vision = vision
        self._folder = folder
        self._lock = threading.Lock()
        self._given: set[Path] = set()

    def write(self, target: Target, outcome: Classified | Failed) -> Path | None:
        """The annotated copy; None where the picture cannot be read."""
        picture = _decode(target.path, self._vision) if isinstance(outcome, Classified) else outcome
        if isinstance(picture, Failed) or isinstance(outcome, Failed):
            return None
        label, score = outcome.predictions[0]
        card = self._vision.package.card
        heat = None if outcome.heat is None else HeatMap(outcome.heat, seen_of(picture.image.size, card))
        doubtful = version_of(self._vision).doubts(score)
        note = self._vision.package.id
        canvas = annotate(picture.image, outcome.predictions, note, target.truth, heat, doubtful=doubtful)
        caption = Caption(claim="", model=card.name, version=card.version, label=label, score=score)
        encoded = encode(canvas, suffix_for(target.name, "auto"), caption)
        path = self._place(self._folder / annotated_name(clean(target.name), encoded.suffix))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.data)
        return path

    def _place(self, wanted: Path) -> Path:
        """`wanted` or, where that is given out or a file that is no copy of ours, a name beside it."""
        with self._lock:
            path, number = wanted, 1
            while path in self._given or (os.path.lexists(path) and not is_copy(path)):
                number += 1
                path = Path(tagged(str(wanted), str(number)))
            self._given.add(path)
            return path


def is_copy(path: Path) -> bool:
    """Whether a file is an annotated copy. Raises OSError."""
    return path.is_file() and not path.is_symlink() and read_caption(path) is not None
