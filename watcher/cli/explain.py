"""`watcher explain`."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack

import click

from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import UsageError

COLUMNS = ("file", "path", "row", "sentence")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@format_option
@click.pass_context
def explain(ctx: click.Context, form: str, files: tuple[str, ...]) -> None:
    """Say why each FILE is where it is: what it waits for, what became of it, or why it is left alone.

    FILE is a path, from here, from the home or from the inbox, or a name alone, of a file that may be gone. Exit
    code 1 if nothing is known of one of them, else 0.

    Example: `watcher explain slide-12/cell_3.png`
    """
    from watcher.books.explain import Explainer
    from watcher.clock import utc
    from watcher.intake.names import clean
    from watcher.results import Database, NoDatabase

    if not all(map(str.strip, files)):
        raise UsageError("say which file: a path or a name")
    home = the_home(ctx)
    rows = []
    with ExitStack() as stack:
        try:
            opened = Database.open(home.settings.database.url, home.root, readonly=True)
            database = stack.enter_context(opened)
        except NoDatabase:  # a home that has not run yet
            database = None
        explainer = Explainer(home, database, utc())
        for file in files:
            for found in explainer.explain(file):
                rows.append({"file": clean(file), **dataclasses.asdict(found)})
                if form == "table":
                    click.echo(found.sentence)
    if form != "table":
        print_rows(rows, form, COLUMNS)
    ctx.exit(1 if any(row["path"] is None for row in rows) else 0)
