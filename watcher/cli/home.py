"""`watcher init`."""

from __future__ import annotations

import click

from watcher.cli.options import home_root
from watcher.home import make_home, open_home


@click.command()
@click.pass_context
def init(ctx: click.Context) -> None:
    """Make a home: folders and a commented watcher.toml. What is there already stays as it is.

    Example: `watcher --home /srv/pictures init`
    """
    root = home_root(ctx)
    made = make_home(root)
    home = open_home(root)
    if made:
        click.echo(f"A home in {root}:")
        for path in made:
            click.echo(f"  {home.relative(path)}{'/' if path.is_dir() else ''}")
    else:
        click.echo(f"{root} is a home already; nothing was changed.")
    click.echo(f"Next: `watcher --home {root} run`, then copy pictures into {home.inbox}.")
