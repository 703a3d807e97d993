"""`watcher models evaluate`: how good a model is on pictures whose labels are known."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.options import facts_format_option, the_home
from watcher.cli.output import console, pictures, print_rows
from watcher.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from watcher.home import Home
    from watcher.models.package import Package
    from watcher.training.evaluating import Evaluation
    from watcher.training.examples import Example
    from watcher.training.metrics import Metrics


@click.command()
@click.argument("name", shell_complete=completing.models)
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--version", type=click.IntRange(min=1), help="The version; else the current one.")
@click.option(
    "--group-by",
    metavar="REGEX",
    help="What in a picture's name says its group, such as '^C(\\d+)'; else the folder between label and picture.",
)
@click.option("--positive", metavar="LABEL", help="Of two labels the one that sensitivity speaks of.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the report goes, in place of an earlier one; else a new folder evaluation-NAME-VERSION here.",
)
@facts_format_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    name: str,
    folder: Path,
    version: int | None,
    group_by: str | None,
    positive: str | None,
    output: Path | None,
    form: str,
) -> None:
    r"""Measure a model on FOLDER, which holds a sub-folder of pictures for each label (or is a CSV list).

    Writes report.html, for people, and metrics.json, for programs. Intervals come from drawing whole groups
    (slides, patients, cameras), so say with --group-by what a group is, or sort the pictures by folders.

    Example: `watcher models evaluate malaria cells/ --group-by '^C(\d+)'`
    """
    home = the_home(ctx)
    from watcher.models.registry import Registry
    from watcher.training.report import REPORT

    registry = Registry(home.models)
    package = registry.current(name) if version is None else registry.read(name, version)
    target = _target(output, package)
    metrics, written = _evaluate(home, package, folder, group_by, positive, target)
    if form == "json":
        click.echo(json.dumps(written | {"report": str(target / REPORT)}, indent=1, ensure_ascii=False))
        return
    _print(metrics)
    for note in written["notes"]:
        click.echo(note)
    click.echo(f"The report: {target / REPORT}")


def _evaluate(
    home: Home, package: Package, folder: Path, group_by: str | None, positive: str | None, target: Path
) -> tuple[Metrics, dict[str, Any]]:
    """Writes the report; the figures, and what `metrics.json` holds."""
    from watcher.clock import utc
    from watcher.training.caveats import caveats
    from watcher.training.examples import find_examples
    from watcher.training.metrics import measure
    from watcher.training.report import METRICS, write_report

    found = _scores(home, package, find_examples(folder, group_by), positive)
    metrics = measure(found.scored)
    write_report(
        target,
        found.scored,
        metrics,
        title=f"How good is {package.card.name}, version {package.card.version}?",
        facts=_facts(package, folder, group_by, positive, found, utc()),
        notes=caveats(found, package.card),
    )
    return metrics, json.loads((target / METRICS).read_text("utf-8"))


def _target(output: Path | None, package: Package) -> Path:
    """Where the report goes. Raises DataError where a folder was named that holds anything else."""
    from watcher.training.report import is_report

    if output is not None:
        if output.is_dir() and any(output.iterdir()) and not is_report(output):
            raise DataError(f"{output}: holds other files than a report; name a new folder with --output")
        return output
    plain = f"evaluation-{package.card.name}-{package.card.version}"
    number, target = 1, Path(plain)
    while target.exists():
        number += 1
        target = Path(f"{plain}-{number}")
    return target


def _scores(home: Home, package: Package, examples: tuple[Example, ...], positive: str | None) -> Evaluation:
    from watcher.training.evaluating import evaluate as try_on
    from watcher.training.evaluating import positive_label
    from watcher.training.known_labels import match_labels
    from watcher.vision.vision import Vision

    # Wrong words are told before a model is loaded, which takes a while.
    positive_label(package.card, positive)
    match_labels(examples, package.card)
    inference, most = home.settings.inference, home.settings.intake.max_megapixels
    vision = Vision(package, inference.engine, inference.batch_size, most)
    with _progress(len(examples)) as done:
        return try_on(vision, examples, inference.batch_size, positive=positive, done=done)


def _facts(
    package: Package, folder: Path, group_by: str | None, positive: str | None, found: Evaluation, now: datetime
) -> dict[str, str]:
    from watcher import __version__
    from watcher.training.examples import data_digest

    card = package.card
    facts = {
        "Model": f"{package.id}, made from {card.base}",
        "Weights": card.weights,
        "Its file's SHA-256": card.digest,
        "Input": f"{card.input_size[0]} x {card.input_size[1]} pixels, by {card.resize}",
        "Temperature": f"{card.temperature:g}",
        "Pictures": f"{folder.absolute()}, {pictures(len(found.scored))}",
        "Their SHA-256": data_digest(found.examples, found.contents),
        "Groups": f"by {group_by} in the name" if group_by else "by folder or list; else each picture for itself",
    }
    if found.scored.positive is not None:
        why = "as asked" if positive else "as its card says" if card.positive_label else "the last by name"
        facts["Positive label"] = f"{found.scored.positive} ({why})"
    return facts | {"Watcher": __version__, "Measured at": now.isoformat(timespec="seconds")}


def _print(metrics: Metrics) -> None:
    from watcher.training.values import WHOLE
    from watcher.training.wording import NAMES, caution, headline

    for sentence in headline(metrics):
        click.echo(sentence)
    rows: list[dict[str, Any]] = []
    for name in WHOLE:
        one = getattr(metrics, name)
        if one.value is not None:
            rows.append({"figure": NAMES[name], "value": one.value, "from": one.low, "to": one.high})
    print_rows(rows, "table", ("figure", "value", "from", "to"))
    groups = f"{metrics.groups:,} group{'' if metrics.groups == 1 else 's'}"
    click.echo(f"{pictures(metrics.pictures)} of {groups}, {metrics.mistakes:,} wrong; from and to: 95 % intervals.")
    if warned := caution(metrics):
        click.echo(warned)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("Classifying", total=count)
        yield lambda some: bar.advance(task, some)
