"""`watcher results`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import click

from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import UsageError

TABLE = ("id", "path", "model", "model_version", "label", "score", "state", "reason", "finished_at")


@click.command()
@click.option("--model", help="Only results of this model.")
@click.option("--label", help="Only pictures with this label.")
@click.option("--group", help="Only this group and those below it.")
@click.option("--state", help="done, failed, duplicate, vanished or superseded.")
@click.option("--min-score", type=float, help="The label's score is at least this (0..1).")
@click.option("--max-score", type=float, help="The label's score is at most this (0..1).")
@click.option("--since", metavar="TIME", help="Finished then or later, e.g. 2026-11-23 or 2026-11-23T14:00 (UTC).")
@click.option("--until", metavar="TIME", help="Finished before.")
@click.option("--limit", type=click.IntRange(min=0), help="The newest so many.")
@format_option
@click.pass_context
def results(
    ctx: click.Context,
    model: str | None,
    label: str | None,
    group: str | None,
    state: str | None,
    min_score: float | None,
    max_score: float | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    form: str,
) -> None:
    """Query what was classified, newest first.

    Example: `watcher results --label "giant panda" --min-score 0.9 --format csv`
    """
    from watcher.results import Database, Filter, NoDatabase, State, find
    from watcher.results.queries import COLUMNS

    home = the_home(ctx)
    if state is not None and state not in set(State):
        raise UsageError(f"there is no state {state}: it is one of {', '.join(State)}")
    wanted = Filter(
        model=model,
        label=label,
        group=group,
        state=State(state) if state else None,
        min_score=min_score,
        max_score=max_score,
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        limit=limit,
    )
    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            rows = [dataclasses.asdict(row) for row in find(database, wanted)]
    except NoDatabase as fault:  # a home that has not run yet: there is nothing, which is no fault
        click.echo(f"watcher: {fault}", err=True)
        rows = []
    print_rows(rows, form, COLUMNS, TABLE)


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write a time like 2026-11-23 or 2026-11-23T14:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
