"""`watcher models try`: which engine is the fastest here for a model, and why not another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from watcher.models.engines.kept import Choice
    from watcher.models.package import Package

COLUMNS = ("engine", "chosen", "pictures_per_second", "same_label", "largest_deviation", "refused_because")


@click.command("try")
@click.argument("name", shell_complete=completing.models)
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@format_option
@click.pass_context
def try_(ctx: click.Context, name: str, folder: Path | None, form: str) -> None:
    """Try every engine that this machine has on a model's current version, and keep the fastest that is right.

    The daemon does so by itself at its first start on a machine. Pictures from FOLDER, of the kind that the model is
    for, become its trial pictures; without them, those of its training are taken, or photographs. Prints a row for each
    engine: how fast it is, how often it agrees, and why it was refused.

    Example: `watcher models try malaria cells/`
    """
    home = the_home(ctx)
    from watcher.cli import logs
    from watcher.clock import utc
    from watcher.models import trial_pictures
    from watcher.models.registry import Registry
    from watcher.vision.trying import try_engines

    logs.configure(quiet=True)
    package = Registry(home.models).current(name)
    if folder:
        most = home.settings.intake.max_megapixels
        trial_pictures.write(package, list(_pictures(package, folder, trial_pictures.MOST, most)))
    print_rows(_rows(try_engines(package, home.settings.inference.batch_size, utc(), again=True)), form, COLUMNS)


def _pictures(package: Package, folder: Path, most: int, max_megapixels: float) -> Iterator[NDArray[np.uint8]]:
    """Spread over the folder. Raises DataError where it has no picture that can be read."""
    from PIL.Image import Image

    from watcher.vision.decode import decode, fit

    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    found = 0
    for file in files[:: max(1, len(files) // most)]:
        image = decode(file.read_bytes(), max_megapixels)
        if isinstance(image, Image) and found < most:
            found += 1
            yield fit(image, package.card)
    if not found:
        raise DataError(f"{folder}: holds no picture that can be read")


def _rows(choice: Choice) -> list[dict[str, Any]]:
    return [
        {
            "engine": trial.engine,
            "chosen": trial.engine == choice.engine,
            "pictures_per_second": trial.rate or None,
            "same_label": trial.agreement,
            "largest_deviation": round(trial.deviation, 6),
            "refused_because": trial.refusal,
        }
        for trial in choice.trials
    ]
