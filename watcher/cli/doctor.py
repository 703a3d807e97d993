"""`watcher doctor`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import click

from watcher.cli.options import format_option, home_root
from watcher.cli.output import print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.doctor.findings import Finding

COLUMNS = ("area", "subject", "level", "found", "advice")


@click.command()
@click.option("--quick", is_flag=True, help="Load neither TensorFlow nor a model, which takes some seconds.")
@format_option
@click.pass_context
def doctor(ctx: click.Context, form: str, *, quick: bool) -> None:
    """Check whether this machine and this home are fit, and say what to do about each thing that is not.

    Looks at the machine (processor, memory, limits, clock, GPU), at each folder of the home and what its file system
    can do, at the settings, job files, models and the database. Nothing is changed (only damage that is met in a
    database in use is noted beside it, for the daemon's next start), and a daemon at work is not disturbed. What it says of rights is true of the user who asks: ask as the daemon's user.

    Prints one row for each thing that was looked at. Exit code 1 if there is a fault, else 0, also with warnings.

    Example: `watcher --home /srv/pictures doctor`

    Example: `watcher doctor --quick --format json`
    """
    from watcher.cli import logs
    from watcher.clock import utc
    from watcher.doctor.examination import examine
    from watcher.doctor.findings import Level
    from watcher.intake.names import clean

    logs.configure(quiet=True)
    found = list(examine(home_root(ctx), utc(), quick=quick))
    rows = [{name: clean(str(value)) for name, value in dataclasses.asdict(finding).items()} for finding in found]
    if form == "table":
        print_rows([row | {"": _mark(row), "says": _says(row)} for row in rows], form, ("", "area", "subject", "says"))
        click.echo(_summary(found))
    else:
        print_rows(rows, form, COLUMNS)
    ctx.exit(1 if any(finding.level is Level.FAULT for finding in found) else 0)


def _mark(row: dict[str, str]) -> str:
    """What catches the eye is what is not right."""
    return "" if row["level"] == "ok" else row["level"].upper() if row["level"] == "fault" else row["level"]


def _says(row: dict[str, str]) -> str:
    advice = row["advice"]
    return f"{row['found']}. What to do: {advice}" if advice else row["found"]


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(finding.level.value for finding in found)
    parts = [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in ("fault", "warning", "note")]
    return f"{len(found)} things were looked at: {', '.join(parts)}."
