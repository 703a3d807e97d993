"""`watcher datasets …`: published sets of labelled pictures."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.helping import Group
from watcher.cli.options import format_option
from watcher.cli.output import console, print_rows
from watcher.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.training.datasets import Contents, DataSet


@click.group(cls=Group)
def datasets() -> None:
    """List and fetch published sets of labelled pictures, to train and test with.

    Example: `watcher datasets fetch malaria`
    """


@datasets.command("list")
@format_option
def list_datasets(form: str) -> None:
    """List the sets that can be fetched; as JSON or CSV with what to cite.

    Example: `watcher datasets list --format json`
    """
    from watcher.training.datasets import DATA_SETS

    rows = [_row(known) for known in DATA_SETS.values()]
    print_rows(rows, form, tuple(rows[0]), ("name", "pictures", "labels", "mebibytes", "title"))


def _row(known: DataSet) -> dict[str, Any]:
    row: dict[str, Any] = {"name": known.name, "pictures": known.pictures, "labels": ", ".join(known.labels)}
    kept = ("mebibytes", "group_by", "title", "url", "citation", "licence")
    return row | {name: getattr(known, name) for name in kept}


@datasets.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path), metavar="DIR", help="The folder to make.  [default: NAME, here]"
)
@click.option("--url", help="Another copy of the archive: an address, file://…, or the path of a zip file.")
def fetch(name: str, into: Path | None, url: str | None) -> None:
    """Bring a set into a folder: one sub-folder of pictures for each label.

    A download that breaks off, or that Ctrl-C stops, goes on where it was at the next run.

    Example: `watcher datasets fetch malaria --into cells`
    """
    from watcher.training import fetching
    from watcher.training.datasets import data_set

    known, target = data_set(name), into or Path(name)
    try:
        with _progress() as report:
            fetched = fetching.fetch(known, target, report, url)
    except KeyboardInterrupt:
        raise DataError("stopped; what was downloaded is kept: run the same command again to go on") from None
    _print_contents(fetched.contents, known, target, "is here already" if fetched.was_there else "is ready")


def _print_contents(found: Contents, known: DataSet, target: Path, state: str) -> None:
    click.echo(f"The set {known.name} {state}, in {target}: {known.title}.")
    for label, count in found.counts.items():
        click.echo(f"{count:>9,}  {label}")
    if found.groups is not None:
        click.echo(f"{found.groups:>9,}  {known.groups}")
    if found.counts != known.counts:
        published = ", ".join(f"{count:,} {label}" for label, count in known.counts.items())
        click.echo(f"The counts differ: the published set has {published}.", err=True)
    click.echo(f"Please cite: {known.citation}")
    grouped = f" --group-by {shlex.quote(known.group_by)}" if found.groups is not None else ""
    folder = shlex.quote(str(target))
    click.echo(f"Next: watcher train {folder} --model {known.name}{grouped}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Draws a bar on a terminal; elsewhere, as in a log, thousands of lines would stand below each other."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"), TimeRemainingColumn()
    with Progress(*columns, console=console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, amount="")
            progress.update(tasks[stage], completed=done, total=total, amount=_amount(stage, done, total))

        yield report


def _amount(stage: str, done: int, total: int | None) -> str:
    from watcher.training.download import megabytes

    if stage == "Downloading":
        return megabytes(done) if total is None else f"{megabytes(done)} of {megabytes(total)}"
    return f"{done:,} of {total:,} pictures"
