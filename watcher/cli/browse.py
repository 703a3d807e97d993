"""`watcher browse`."""

from __future__ import annotations

import re
import signal
import sys

import click

from watcher.cli.options import the_home
from watcher.errors import UsageError, WatcherError

_LISTEN = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:8001",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to serve the pages: by default for programs of this machine alone; port 0 is any that is free.",
)
@click.pass_context
def browse(ctx: click.Context, listen: str) -> None:
    """Look at the results and their pictures in a browser, until SIGTERM or Ctrl-C.

    A gallery that filters, a page for each picture, a dashboard, the runs of jobs; and by Datasette all tables, with SQL,
    JSON and CSV. Nothing can be changed there. Works beside a running daemon.

    Example: `watcher --home /srv/pictures browse`
    """
    host, port = _address(listen)
    home = the_home(ctx)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # while the libraries are imported; the server has its own
    try:
        from watcher.results.browse.server import serve
        from watcher.results.browse.site import Site
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "watcher":
            raise
        raise WatcherError("`watcher browse` needs Datasette: `pip install 'watcher[browse]'`") from None
    models = home.settings.models
    site = Site(
        url=home.settings.database.url,
        root=home.root,
        outbox=home.outbox,
        routes=models.routes,
        default_model=models.default,
    )
    serve(site, host, port, _say)


def _say(line: str) -> None:
    """Where the pages are, on standard output; what to think of, on standard error."""
    is_address = line.startswith("http://")
    click.echo(f"Results at {line} (Ctrl-C ends this)" if is_address else f"watcher: {line}", err=not is_address)


def _address(listen: str) -> tuple[str, int]:
    """Raises UsageError."""
    found = _LISTEN.fullmatch(listen)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(f"--listen {listen}: write an address and a port, like 127.0.0.1:8001")
    return found["host"].strip("[]"), int(found["port"])
