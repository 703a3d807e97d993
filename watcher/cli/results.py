"""`watcher results`."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.exports import export, export_options, form_of
from watcher.cli.options import the_home
from watcher.cli.output import print_table
from watcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watcher.home import Home
    from watcher.results import Filter

TABLE = ("id", "path", "model", "model_version", "label", "score", "review", "state", "reason", "finished_at")
ALWAYS = ("id", "path", "state")  # the others only where they say something


@click.command()
@click.option("--model", shell_complete=completing.models, help="Only results of this model.")
@click.option("--label", shell_complete=completing.labels, help="Only pictures with this label.")
@click.option("--group", help='Only this group and those below it; "" for pictures in none.')
@click.option("--path", "name", help="Only pictures of this name, or with a slash in it dropped at this path.")
@click.option("--state", shell_complete=completing.states, help="done, failed, duplicate, vanished or superseded.")
@click.option("--needs-review", is_flag=True, help="Only pictures that a person should look at.")
@click.option("--min-score", type=float, help="The label's score is at least this (0..1).")
@click.option("--max-score", type=float, help="The label's score is at most this (0..1).")
@click.option("--since", metavar="TIME", help="Finished then or later, e.g. 2026-11-23 or 2026-11-23T14:00 (UTC).")
@click.option("--until", metavar="TIME", help="Finished before.")
@click.option("--sort", metavar="COLUMN", help="By this column, the lowest first, instead of by time.")
@click.option("--desc", is_flag=True, help="With --sort: the highest first.")
@click.option("--limit", type=click.IntRange(0, 2**63 - 1), help="The first so many.")
@export_options
@click.pass_context
def results(ctx: click.Context, /, form: str | None, output: Path | None, **wanted: Any) -> None:
    """Query what was classified, newest first. Any number of rows: they are written as they are read.

    Prints one row for each picture, also of those that failed; those that a person should look at are marked.

    Example: `watcher results --needs-review --sort margin --limit 20`

    Example: `watcher results --label "giant panda" --min-score 0.9 --output pandas.parquet`

    Example: `watcher results --since 2026-11-01 --format csv`
    """
    from watcher.results.queries import KINDS

    home = the_home(ctx)
    form = form_of(form, output)
    parts = _parts(home, _filter(wanted))
    export(parts, form, output, KINDS, partial(_show, columns=tuple(KINDS)))


def _parts(home: Home, wanted: Filter) -> Iterator[Sequence[Sequence[Any]]]:
    from watcher.results import Database, NoDatabase
    from watcher.results.queries import stream

    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            yield from stream(database, wanted)
    except NoDatabase as fault:  # a home that has not run yet: there is nothing, which is no fault
        click.echo(f"watcher: {fault}", err=True)


def _show(part: Sequence[Any], columns: Sequence[str]) -> None:
    """For people: no fractions of seconds, and no column that says nothing."""
    rows = [dict(zip(columns, values, strict=True)) for values in part]
    rows = [row | {"finished_at": row["finished_at"][:19].replace("T", " ")} for row in rows]
    rows = [row | {"review": "yes" if row["needs_review"] else None} for row in rows]
    shown = [name for name in TABLE if name in ALWAYS or any(row[name] is not None for row in rows)]
    print_table(rows, shown)


def _filter(wanted: dict[str, Any]) -> Filter:
    """The options as what the results room asks for. Raises UsageError for what makes no sense."""
    from watcher.intake.names import clean
    from watcher.results import Filter, State
    from watcher.results.queries import COLUMNS

    given: dict[str, Any] = {key: clean(value) if isinstance(value, str) else value for key, value in wanted.items()}
    if given["state"] is not None and given["state"] not in set(State):
        raise UsageError(f"there is no state {given['state']}: it is one of {', '.join(State)}")
    given["state"] = State(given["state"]) if given["state"] else None
    for option in ("min_score", "max_score"):
        if given[option] is not None and not 0 <= given[option] <= 1:
            raise UsageError(f"--{option.replace('_', '-')} {given[option]}: a score lies between 0 and 1")
    descending, sort = given.pop("desc"), given.pop("sort")
    if sort is not None and sort not in COLUMNS:
        raise UsageError(f"there is no column {sort}: it is one of {', '.join(COLUMNS)}")
    if descending and sort is None:
        raise UsageError("--desc says how to sort: add --sort COLUMN (without it the newest come first)")
    order = {} if sort is None else {"sort": sort, "descending": descending}
    return Filter(**given | times(given) | order)


def times(given: dict[str, Any]) -> dict[str, datetime | None]:
    """`--since` and `--until` as moments. Raises UsageError."""
    return {option: _time(given[option], f"--{option}") for option in ("since", "until")}


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    raise UsageError(f"{option} {text}: write a time like 2026-11-23 or 2026-11-23T14:00:00Z")
