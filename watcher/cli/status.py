"""`watcher status`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import format_option, the_home
from watcher.cli.output import pictures, print_rows

if TYPE_CHECKING:
    from watcher.jobs.standing import Standing
    from watcher.service.note import Trouble
    from watcher.service.status import Status

COUNTS = ("waiting", "claimed", "done", "failed", "duplicate", "vanished", "superseded", "total")


@click.command()
@format_option
@click.pass_context
def status(ctx: click.Context, form: str) -> None:
    """Say what waits, what is in work and what became of the rest; the states add up to the total.

    Prints whether a daemon runs and with which models, what is not possible at the moment and since when, a count for
    each state, when each job runs next, and what is left alone in the inbox, with the reason. As CSV the counts alone.

    Example: `watcher status --format json`
    """
    from watcher.errors import WatcherError
    from watcher.service.status import status as status_of
    from watcher.service.status import troubles

    home = the_home(ctx)
    try:
        found = status_of(home)
    except WatcherError:  # nothing can be counted, but what the daemon waits for may well be the same
        for trouble in troubles(home) if form == "table" else ():
            click.echo(_sentence(trouble))
        raise
    values: dict[str, Any] = dataclasses.asdict(found)
    if form == "json":
        click.echo(json.dumps(values, indent=1, ensure_ascii=False))
    elif form == "csv":
        print_rows([values], "csv", COUNTS)
    else:
        _print(found, values)


def _print(found: Status, values: dict[str, Any]) -> None:
    click.echo(f"The daemon runs: {found.daemon}." if found.daemon else "No daemon runs; start one with `watcher run`.")
    if found.models_working:
        loaded = (f"{each.model}/{each.version} ({each.engine})" for each in found.models_working)
        click.echo(f"Models at work, with the engines that run them: {', '.join(loaded)}.")
    for trouble in found.troubles:
        click.echo(_sentence(trouble))
    for damaged in found.databases_set_aside:
        click.echo(
            f"The results database was damaged and has been rebuilt; {damaged}.reason.txt tells what was lost. "
            f"Delete {damaged} and the files whose names begin so once you do not want them any more."
        )
    for name in COUNTS:
        click.echo(f"{name:>12} {values[name]:>9,}")
    for wait in found.models_missing:
        waiting = f"{pictures(wait.pictures)} waiting for a model" if wait.pictures else "Not ready for pictures"
        click.echo(f"{waiting}: {wait.reason}.")
    for behind in found.models_behind:
        click.echo(
            f"{behind.model}/{behind.working} still works, for the current version cannot be used: {behind.reason}; "
            f"mend it, or go back with `watcher models rollback {behind.model}`."
        )
    for job in found.jobs:
        click.echo(_job(job))
    if found.left_alone:
        click.echo(f"Left alone in the inbox, {found.left_alone}:")
        for item in found.left_alone_first:
            click.echo(f"  {item.path}: {item.reason}")
        if found.left_alone > len(found.left_alone_first):
            click.echo("  …")


def _sentence(trouble: Trouble) -> str:
    return f"Not possible since {trouble.since}: {trouble.what}. {trouble.reason}. It goes on by itself once it can."


def _job(job: Standing) -> str:
    """When it runs next, or why it does not, and how its last run ended."""
    if job.fault:
        return f"The job {job.job} has faults, see `watcher jobs validate {job.job}`: {job.fault.splitlines()[0]}"
    coming = f"runs next at {job.next}" if job.next else "has no schedule" if job.enabled else "is not enabled"
    last = f"; run {job.last_run}, its last, is {job.last_state}" if job.last_run else ""
    return f"The job {job.job} {coming}{last}."
