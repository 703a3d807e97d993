"""`watcher init`."""

from __future__ import annotations

import click
from pydantic import ValidationError

from watcher.cli.options import home_root, keep_rights, the_home
from watcher.errors import UsageError
from watcher.home import exists, make_home
from watcher.settings import A_UMASK, Permissions, Settings


@click.command()
@click.option(
    "--umask",
    metavar="NNN",
    help="Who may use what Watcher makes: 027, its group may read (the default); 007, and write, so that its members "
    "can drop pictures; 022, everybody may read.",
)
@click.pass_context
def init(ctx: click.Context, umask: str | None) -> None:
    """Make a home: folders and a commented watcher.toml. What is there already stays as it is.

    Prints what was made. In a home that is there already it takes folders whose share is away for plain ones from
    now on.

    Example: `watcher --home /srv/pictures init`
    """
    root = home_root(ctx)
    settings, new = None, not exists(root)
    if new:
        settings = _settings(umask)
        keep_rights(settings)
    elif the_home(ctx) and umask is not None:
        raise UsageError(f"{root} is a home already: set umask under [permissions] in its watcher.toml")
    made = make_home(root, settings)
    home = the_home(ctx)
    from watcher.service.room import take_room
    from watcher.service.shares import Shares

    if new:
        take_room(home)
    renewed = Shares(home).renew()
    if made:
        click.echo(f"A home in {root}:")
        for path in made:
            click.echo(f"  {home.relative(path)}{'/' if path.is_dir() else ''}")
    elif renewed:
        click.echo(f"{root} is a home already. Its folders are taken as they are mounted now.")
    else:
        click.echo(f"{root} is a home already; nothing was changed.")
    click.echo(f"Next: `watcher --home {root} run`, then copy pictures into {home.inbox}.")


def _settings(umask: str | None) -> Settings:
    if umask is None:
        return Settings()
    try:
        return Settings(permissions=Permissions(umask=umask))
    except ValidationError:
        raise UsageError(f"--umask should be {A_UMASK}") from None
