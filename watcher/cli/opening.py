"""The model that commands use which need no home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.settings import EngineName
    from watcher.vision.vision import Vision

WITHOUT_HOME = "efficientnet-lite0"


def open_vision(
    root: Path, model: str | None, engine: EngineName | None = None, *, heat: bool = False
) -> tuple[Vision, int]:
    """The model, of the home if there is one, else out of this user's own cache; fetched if it can be.

    With `heat` it says where it looked. And how many pictures it is given at once. Raises ModelError, HomeError or SettingsError.
    """
    from watcher.clock import utc
    from watcher.home import exists, open_home
    from watcher.models.builtin import fetch, fetchable
    from watcher.models.registry import Registry
    from watcher.settings import Settings
    from watcher.vision.vision import Vision

    if exists(root):
        home = open_home(root)
        settings, registry = home.settings, Registry(home.models)
        name = model or settings.models.default
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        settings, registry = Settings(), Registry(cache / "watcher" / "models")
        name = model or WITHOUT_HOME
    if not registry.has(name) and name in fetchable():
        fetch(registry, name, utc())
    inference = settings.inference
    package = registry.current(name)
    most = settings.intake.max_megapixels
    vision = Vision(package, engine or inference.engine, inference.batch_size, most, heat=heat)
    return vision, inference.batch_size
