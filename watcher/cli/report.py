"""`watcher report`."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.exports import export, export_options, form_of
from watcher.cli.options import the_home
from watcher.cli.output import print_table
from watcher.cli.results import times
from watcher.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from watcher.home import Home
    from watcher.results.report import Scope

PART = 1000  # lines of one table
COLUMNS: dict[str, type] = {
    "grp": str,
    "model": str,
    "label": str,
    "pictures": int,
    "total": int,
    "share": float,
    "share_low": float,
    "share_high": float,
    "needs_review": int,
    "failed": int,
}
_values = attrgetter(*COLUMNS)
SHOWN = ("group", "model", "label", "pictures", "of", "share", "95 % interval", "needs review", "failed")


@click.command()
@click.option("--group", help='Only this group and those below it, each by itself; "" for pictures in none.')
@click.option("--model", shell_complete=completing.models, help="Only results of this model.")
@click.option(
    "--label",
    shell_complete=completing.labels,
    help="Only the share of this label: one line for each group, also where there is none.",
)
@click.option("--positive", is_flag=True, help="The same, of the positive label that the model's card names.")
@click.option("--since", metavar="TIME", help="Finished then or later, e.g. 2026-11-23 or 2026-11-23T14:00 (UTC).")
@click.option("--until", metavar="TIME", help="Finished before.")
@click.option("--total", is_flag=True, help="All groups as one.")
@export_options
@click.pass_context
def report(
    ctx: click.Context, /, form: str | None, output: Path | None, *, positive: bool, total: bool, **wanted: Any
) -> None:
    """Sum up each group, such as a slide, by label: how many pictures, and which share, with its 95 % interval.

    Counted are the pictures that have a result, duplicates too, each once: not what is superseded, failed or vanished.
    Failed ones have no label and no model: each group that has some has a line of its own for them, and only there
    "failed" is more than 0. The interval is Wilson's, and takes the pictures of a group for independent of each other.

    Example: `watcher report --model malaria --positive`, the share of parasitized cells of each slide
    """
    from watcher.intake.names import clean
    from watcher.results.report import Scope

    home = the_home(ctx)
    form = form_of(form, output)
    given: dict[str, Any] = {key: clean(value) if isinstance(value, str) else value for key, value in wanted.items()}
    positives = _positives(home)
    if positive:
        given["label"] = _positive(given["model"], given["label"], positives)
    scope = Scope(**given | times(given), total=total)
    export(_parts(home, scope, positives), form, output, COLUMNS, _show)


def _positives(home: Home) -> dict[str, str]:
    """The positive label of each model whose card names one; a package that cannot be read names none."""
    from watcher.models.registry import Registry

    registry, found = Registry(home.models), {}
    for name in registry.names():
        try:
            label = registry.current(name).card.positive_label
        except (ModelError, OSError):
            continue
        if label is not None:
            found[name] = label
    return found


def _positive(model: str | None, label: str | None, positives: Mapping[str, str]) -> str:
    """The label whose share is asked for. Raises UsageError where that cannot be told."""
    if label is not None:
        raise UsageError("--positive is the label that the card names, --label one of yours: give one of them")
    if model is None:
        raise UsageError("--positive: of which model? Add --model, such as --model malaria")
    if model not in positives:
        raise UsageError(
            f"the card of {model} names no positive label, or there is none here: say --label LABEL instead"
        )
    return positives[model]


def _parts(home: Home, scope: Scope, positives: Mapping[str, str]) -> Iterator[Sequence[Sequence[Any]]]:
    from watcher.chunks import in_chunks
    from watcher.results import Database, NoDatabase
    from watcher.results.report import report as lines

    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            for part in in_chunks(lines(database, scope, positives), PART):
                yield [_values(line) for line in part]
    except NoDatabase as fault:
        click.echo(f"watcher: {fault}", err=True)


def _show(part: Sequence[Any]) -> None:
    """For people: shares in percent."""
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in part]
    print_table([_in_words(row) for row in rows], SHOWN)


def _in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    known = row["share"] is not None
    return {
        "group": row["grp"],
        "model": row["model"],
        "label": row["label"],
        "pictures": row["pictures"],
        "of": row["total"],
        "share": _percent(row["share"]) if known else None,
        "95 % interval": f"{_percent(row['share_low'])} to {_percent(row['share_high'])}" if known else None,
        "needs review": row["needs_review"],
        "failed": row["failed"],
    }


def _percent(share: float) -> str:
    return f"{100 * share:6.2f} %"
