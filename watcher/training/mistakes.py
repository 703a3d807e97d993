"""The pictures that teach most about a model: where it was surely wrong, and where it could not decide."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.intake.names import clean
from watcher.vision.decode import decode
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.training.scored import Scored

WORST, LEAST_CERTAIN = 24, 12
SIDE = 160  # px of a small picture's longer side
MOST_MEGAPIXELS = 100.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture for the report."""

    name: str
    group: str
    truth: str
    said: str
    score: float
    """Of the label that is said."""
    picture: str | None
    """As a `data:` address; None if it can no longer be read."""


def worst(scored: Scored) -> list[Shown]:
    """The mistakes of which the model was surest, the surest first; 24 at most."""
    wrong = np.flatnonzero(~scored.right)
    order = wrong[np.argsort(-scored.confidence[wrong], kind="stable")]
    return [_shown(scored, int(place)) for place in order[:WORST]]


def least_certain(scored: Scored) -> list[Shown]:
    """The pictures whose two best labels were closest, right or wrong, the closest first; 12 at most."""
    best = np.partition(scored.scores, -2, axis=1)[:, -2:].astype(np.float64)
    order = np.argsort(best[:, 1] - best[:, 0], kind="stable")
    return [_shown(scored, int(place)) for place in order[:LEAST_CERTAIN]]


def _shown(scored: Scored, place: int) -> Shown:
    path = scored.paths[place]
    return Shown(
        clean(path.name),
        scored.groups[place],
        scored.labels[scored.truth[place]],
        scored.labels[scored.said[place]],
        float(scored.confidence[place]),
        _small(path),
    )


def _small(path: Path) -> str | None:
    try:
        image = decode(path.read_bytes(), MOST_MEGAPIXELS)
    except OSError:
        return None
    if isinstance(image, Failed):
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
