"""`watcher retry`."""

from __future__ import annotations

import os

import click

from watcher.cli.options import the_home
from watcher.cli.output import pictures
from watcher.errors import UsageError, WatcherError


@click.command()
@click.argument("names", nargs=-1, metavar="[FILE]...")
@click.option("--all", "everything", is_flag=True, help="All failed pictures.")
@click.option("--group", help="Of --all, only this group and those below it.")
@click.pass_context
def retry(ctx: click.Context, names: tuple[str, ...], group: str | None, *, everything: bool) -> None:
    """Put failed pictures in line again: by name, by path, or all. Moving them from failed/ to the inbox does as well.

    Prints how many are in line. Exit code 1 if one of the names is no failed picture's.

    Example: `watcher retry --all`
    """
    from watcher.clock import utc
    from watcher.intake.names import clean
    from watcher.service.lock import holder
    from watcher.service.retry import retry as retry_now

    if bool(names) == everything:
        raise UsageError("say which: the names of failed pictures, or --all")
    if group is not None and not everything:
        raise UsageError("--group goes with --all")
    home = the_home(ctx)
    # A path from where the user stands is as good as a name.
    called = {name: {name, os.path.abspath(name)} for name in names}
    wanted = None if everything else {other for each in called.values() for other in each}
    done = retry_now(home, wanted, None if group is None else clean(group), utc())
    if done.in_line:
        taker = "the daemon" if holder(home.lock) else "`watcher run`"
        they = "is in line again; {} takes it up." if done.in_line == 1 else "are in line again; {} takes them up."
        click.echo(f"{pictures(done.in_line)} {they.format(taker)}")
    elif everything:
        click.echo("Nothing to do: no failed picture is there.")
    unknown = [name for name, each in called.items() if each <= set(done.unknown)]
    if unknown:
        raise WatcherError(
            f"no failed picture is called {', '.join(map(clean, unknown))}; `watcher results --state failed` lists them"
        )
