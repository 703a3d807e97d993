"""`watcher models promote`, `rollback` and `which`: the version of a model that is used, and that was."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING

import click

from watcher.cli import completing
from watcher.cli.options import format_option, the_home, the_registry
from watcher.cli.output import print_rows
from watcher.errors import ModelError, UsageError

if TYPE_CHECKING:
    from watcher.models.registry import Switch

COLUMNS = ("model", "version", "digest", "classified_at", "first_used_at", "last_used_at")


@click.command()
@click.argument("name", shell_complete=completing.models)
@click.argument("version", type=click.IntRange(min=1), shell_complete=completing.versions)
@click.pass_context
def promote(ctx: click.Context, name: str, version: int) -> None:
    """Make a version of a model the current one, once its files are found to be whole.

    A daemon that runs takes it up by itself, between two batches.

    Example: `watcher models promote malaria 3`
    """
    from watcher.clock import utc

    _say(the_registry(ctx).promote(name, version, utc()))


@click.command()
@click.argument("name", shell_complete=completing.models)
@click.pass_context
def rollback(ctx: click.Context, name: str) -> None:
    """Go back to the version that was current before the current one; again, to the one before that.

    A daemon that runs takes it up by itself, between two batches.

    Example: `watcher models rollback malaria`
    """
    from watcher.clock import utc

    _say(the_registry(ctx).rollback(name, utc()))


def _say(switch: Switch) -> None:
    if not switch.changed:
        click.echo(f"{switch.package.id} is current already.")
        return
    before = f"{switch.package.card.name}/{switch.before}" if switch.before is not None else "none that could be read"
    click.echo(f"{switch.package.id} is current now; before it was {before}.")


@click.command()
@click.argument("name", shell_complete=completing.models)
@click.option(
    "--at", metavar="TIME", help="Such as 2026-11-23 or 2026-11-23T14:00, in this machine's zone. Now, if left out."
)
@format_option
@click.pass_context
def which(ctx: click.Context, name: str, at: str | None, form: str) -> None:
    """Say which version of a model was classifying at a time, by the results.

    It is the version of the last picture that this model had finished by then.

    Example: `watcher models which malaria --at 2026-11-23T14:00`
    """
    from watcher.clock import utc
    from watcher.results import Database
    from watcher.results.tables import utc_text
    from watcher.results.usage import used_at

    home = the_home(ctx)
    moment = _moment(at) if at is not None else utc()
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        found = used_at(database, name, moment)
    said = f"{_local(moment)} ({utc_text(moment)[:19]}Z)"
    if not found.versions:
        later = f"its first was at {found.first_used_at}" if found.first_used_at else "nor was any later"
        raise ModelError(f"no picture was classified by {name} at {said} or before; {later}")
    rows = [dataclasses.asdict(version) for version in found.versions]
    if form == "table":
        names = " and ".join(f"{row['model']}/{row['version']}" for row in rows)
        click.echo(f"At {said} {names} was classifying.")
        rows = [row | {"digest": row["digest"][:12]} for row in rows]
    print_rows(rows, form, COLUMNS)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"--at {text}: write a time like 2026-11-23 or 2026-11-23T14:00:00Z") from None


def _local(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
