"""Trials of a package's engines, on pictures of its own kind where it has some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.models import trial_pictures
from watcher.models.engines import trials
from watcher.models.engines.kept import kept
from watcher.vision.photographs import views

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from watcher.models.engines.kept import Choice
    from watcher.models.package import Package


def try_engines(
    package: Package,
    batch_size: int,
    now: datetime,
    *,
    again: bool = False,
    given_up: Callable[[], bool] = lambda: False,
) -> Choice:
    """What was chosen on this machine before, unless `again`, or what is now; `given_up` as in `trials.choose`.

    Raises ModelError if the package is damaged.
    """
    if not again and (choice := kept(package, batch_size)):
        return choice
    return trials.choose(package, lambda: _pictures(package), batch_size, now, again=again, given_up=given_up)


def _pictures(package: Package) -> NDArray[np.uint8]:
    if trial_pictures.has(package):
        return trial_pictures.read(package)
    return views(package.card, trial_pictures.MOST)
