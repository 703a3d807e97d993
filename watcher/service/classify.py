"""Pictures classified now, from wherever they are: no home, no claims, no database."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.intake.arrivals import Seen
from watcher.intake.names import clean
from watcher.intake.scan import scan
from watcher.vision.annotate import annotate
from watcher.vision.encode import Caption, annotated_name, encode, suffix_for
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.vision.vision import Vision


@dataclass(frozen=True, slots=True)
class Target:
    """A picture to classify, and what it is called among the annotated copies."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for one picture."""

    path: Path
    outcome: Classified | Failed


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
    """One result for each picture, in order; two batches are decoded ahead.

    With `annotate_into`, annotated copies are written there; one of the same name is replaced. Raises
    OSError if that fails.
    """
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        ahead: deque[tuple[Target, Future[Picture | Failed]]] = deque()
        for target in pictures:
            ahead.append((target, pool.submit(_read, target.path, vision)))
            if len(ahead) == 2 * batch_size:
                yield from _finish([ahead.popleft() for _ in range(batch_size)], vision, annotate_into, pool)
        while ahead:
            some = min(batch_size, len(ahead))
            yield from _finish([ahead.popleft() for _ in range(some)], vision, annotate_into, pool)


def _read(path: Path, vision: Vision) -> Picture | Failed:
    try:
        if not path.is_file():
            return Failed("there is no such file" if not os.path.lexists(path) else "it is not a regular file")
        return vision.decode(path.read_bytes())
    except OSError as fault:
        return Failed(f"it cannot be read: {fault.strerror}")


def _finish(
    batch: list[tuple[Target, Future[Picture | Failed]]],
    vision: Vision,
    annotate_into: Path | None,
    pool: ThreadPoolExecutor,
) -> Iterator[Result]:
    read = [(target, future.result()) for target, future in batch]
    outcomes = iter(vision.classify([found.pixels for _, found in read if isinstance(found, Picture)]))
    judged = [(target, found, found if isinstance(found, Failed) else next(outcomes)) for target, found in read]
    if annotate_into is not None:
        list(pool.map(lambda item: _write_copy(item[0], item[1], item[2], vision, annotate_into), judged))
    for target, _, outcome in judged:
        yield Result(target.path, outcome)


def _write_copy(
    target: Target, found: Picture | Failed, outcome: Classified | Failed, vision: Vision, folder: Path
) -> None:
    if not isinstance(found, Picture) or not isinstance(outcome, Classified):
        return
    label, score = outcome.predictions[0]
    card = vision.package.card
    canvas = annotate(found.image, outcome.predictions, vision.package.id)
    caption = Caption(claim="", model=card.name, version=card.version, label=label, score=score)
    encoded = encode(canvas, suffix_for(target.name, "auto"), caption)
    path = folder / annotated_name(clean(target.name), encoded.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.data)
