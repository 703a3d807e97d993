"""A batch of which one picture makes the model stumble: the others come through, and the engine is not the picture's fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import structlog

from watcher.models.package import first_line
from watcher.vision.outcome import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watcher.vision.outcome import Classified
    from watcher.vision.vision import Vision

log = structlog.get_logger()

# How often a picture is given to the model alone before it is set aside.
MOST_TRIES = 3
GRAY = 128


class EngineFault(Exception):
    """The model cannot be run at the moment, whatever the picture: the world's fault."""


def classify_apart(vision: Vision, pixels: Sequence[NDArray[np.uint8]]) -> list[Classified | Failed]:
    """One outcome for each picture, in order; where the model stumbles over a batch, it is halved until one is left.

    Raises EngineFault where it stumbles over a plain gray picture, too.
    """
    return _apart(vision, pixels, whole=True)


def _apart(vision: Vision, pixels: Sequence[NDArray[np.uint8]], *, whole: bool) -> list[Classified | Failed]:
    if len(pixels) == 1:
        return [_alone(vision, pixels[0])]
    try:
        return list(vision.classify(pixels))
    except Exception as fault:  # noqa: BLE001  (TensorFlow raises whatever a GPU happens to lack)
        if whole:  # a line for each batch, not for each half of it
            log.warning("a batch could not be classified; it is halved", pictures=len(pixels), reason=first_line(fault))
    middle = len(pixels) // 2
    return _apart(vision, pixels[:middle], whole=False) + _apart(vision, pixels[middle:], whole=False)


def must_run(vision: Vision) -> None:
    """Raises EngineFault where the model stumbles over a plain gray picture."""
    height, width = vision.package.card.input_size
    try:
        vision.classify([np.full((height, width, 3), GRAY, np.uint8)])
    except Exception as fault:
        raise EngineFault(f"the model {vision.package.id} cannot be run: {first_line(fault)}") from fault


def _alone(vision: Vision, picture: NDArray[np.uint8]) -> Classified | Failed:
    reason = ""
    for _ in range(MOST_TRIES):
        try:
            return vision.classify([picture])[0]
        except Exception as fault:  # noqa: BLE001  (as above)
            reason = first_line(fault)
    must_run(vision)
    return Failed(f"the model {vision.package.id} cannot be run on this picture: {reason}")
