"""`watcher results`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import UsageError

if TYPE_CHECKING:
    from watcher.results import Filter

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
@click.option("--limit", type=click.IntRange(0, 2**63 - 1), help="The newest so many.")
@format_option
@click.pass_context
def results(ctx: click.Context, /, form: str, **wanted: Any) -> None:
    """Query what was classified, newest first.

    Example: `watcher results --label "giant panda" --min-score 0.9 --format csv`
    """
    from watcher.results import Database, NoDatabase, find
    from watcher.results.queries import COLUMNS

    home = the_home(ctx)
    fitting = _filter(wanted)
    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            rows = [dataclasses.asdict(row) for row in find(database, fitting)]
    except NoDatabase as fault:  # a home that has not run yet: there is nothing, which is no fault
        click.echo(f"watcher: {fault}", err=True)
        rows = []
    if form == "table":  # for people: no fractions of seconds, and no column that says nothing
        rows = [row | {"finished_at": row["finished_at"][:19].replace("T", " ")} for row in rows]
    shown = [name for name in TABLE if name in {"id", "path", "state"} or any(row[name] is not None for row in rows)]
    print_rows(rows, form, COLUMNS, shown)


def _filter(wanted: dict[str, Any]) -> Filter:
    """The options as what the results room asks for. Raises UsageError for what makes no sense."""
    from watcher.intake.names import clean
    from watcher.results import Filter, State

    given: dict[str, Any] = {key: clean(value) if isinstance(value, str) else value for key, value in wanted.items()}
    if given["state"] is not None and given["state"] not in set(State):
        raise UsageError(f"there is no state {given['state']}: it is one of {', '.join(State)}")
    given["state"] = State(given["state"]) if given["state"] else None
    for option in ("min_score", "max_score"):
        if given[option] is not None and not 0 <= given[option] <= 1:
            raise UsageError(f"--{option.replace('_', '-')} {given[option]}: a score lies between 0 and 1")
    for option in ("since", "until"):
        given[option] = _time(given[option], f"--{option}")
    return Filter(**given)


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text}: write a time like 2026-11-23 or 2026-11-23T14:00:00Z") from None
