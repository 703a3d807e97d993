"""`watcher demo`."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import sys

import click

from watcher.cli.options import keep_rights
from watcher.cli.output import print_rows
from watcher.settings import Settings


@click.command()
def demo() -> None:
    """Try it: three real photographs are classified by a running daemon in a temporary home.

    Needs no internet: model and photographs come with Watcher's dependencies.

    Example: `watcher demo`
    """
    from watcher.models.package import require_backend
    from watcher.service.demo import demo as run_demo

    require_backend()  # without TensorFlow, say so before anything is made
    keep_rights(Settings())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that the daemon is ended, too
    home, rows = run_demo(click.echo)
    columns = ("id", "name", "model", "model_version", "label", "score", "state")
    print_rows([dataclasses.asdict(row) for row in reversed(rows)], "table", columns)
    click.echo("Their annotated copies:")
    for row in reversed(rows):
        click.echo(f"  {home.root / row.outbox_path if row.outbox_path else row.reason}")
    click.echo(f"Ask for more with `{_called()} --home {home.root} results`; delete the folder when you have seen it.")


def _called() -> str:
    """How this program is called from where it was: not every shell finds it by its name alone."""
    if shutil.which("watcher"):
        return "watcher"
    program = sys.argv[0]
    return f"{sys.executable} -m watcher" if program.endswith("__main__.py") else program
