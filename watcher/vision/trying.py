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
    own = trial_pictures.has(package)
    pictures = trial_pictures.read(package) if own else views(package.card, trial_pictures.MOST)
    return trials.choose(package, pictures, batch_size, now, again=again, given_up=given_up)
