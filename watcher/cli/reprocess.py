"""`watcher reprocess`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from watcher.cli import completing
from watcher.cli.options import the_home
from watcher.cli.output import pictures
from watcher.errors import UsageError

if TYPE_CHECKING:
    from watcher.service.reprocess import Reprocessed, Which


@click.command()
@click.option(
    "--version",
    metavar="NAME/N",
    shell_complete=completing.models_with_versions,
    help="What this version of a model has classified.",
)
@click.option(
    "--before",
    metavar="NAME/N",
    shell_complete=completing.models_with_versions,
    help="What any version of the model lower than this has classified.",
)
@click.option("--group", help="Only this group and those below it.")
@click.option("--dry-run", is_flag=True, help="Say how many pictures it would be, and change nothing.")
@click.pass_context
def reprocess(ctx: click.Context, version: str | None, before: str | None, group: str | None, *, dry_run: bool) -> None:
    """Put pictures in line again that a bad version of a model has classified, for the version that is live now.

    Their old results stay in the database, as superseded. Go back to a good version first. If this is stopped half
    way, give the same command again; also a minute later, for pictures that were just in work. Prints how many are in
    line, and of how many the originals are gone.

    Example: `watcher models rollback malaria && watcher reprocess --version malaria/4`
    """
    from watcher.clock import utc
    from watcher.service.lock import holder
    from watcher.service.reprocess import reprocess as reprocess_now

    home, which = the_home(ctx), _which(version, before, group)
    done = reprocess_now(home, which, utc(), dry_run=dry_run)
    taker = "the daemon" if holder(home.lock) else "`watcher run`"
    for line in _said(done, which, taker, dry_run=dry_run):
        click.echo(line)


def _which(version: str | None, before: str | None, group: str | None) -> Which:
    """The options as what is to be put in line. Raises UsageError for what makes no sense."""
    from watcher.intake.names import clean
    from watcher.service.reprocess import Which

    if (version is None) == (before is None):
        raise UsageError("say either --version NAME/N or --before NAME/N, such as --version malaria/4")
    text = version or before or ""
    match = re.fullmatch(r"([^/]+)/([1-9][0-9]{0,8})", text)
    if match is None:
        option = "--version" if before is None else "--before"
        raise UsageError(f"{option} {text}: write a model and the number of a version, such as malaria/4")
    group = None if group is None else clean(group)
    return Which(model=match[1], version=int(match[2]), before=before is not None, group=group)


def _said(done: Reprocessed, which: Which, taker: str, *, dry_run: bool) -> list[str]:
    lines = []
    one = done.in_line == 1
    if done.in_line and dry_run:
        lines.append(f"{pictures(done.in_line)} would be put in line again.")
    elif done.in_line:
        they = f"{'is' if one else 'are'} in line again; {taker} takes {'it' if one else 'them'} up."
        lines.append(f"{pictures(done.in_line)} {they}")
    if done.deleted:
        lines.append(f"{pictures(done.deleted)} cannot be classified again: {_originals(done.deleted)} deleted.")
    if done.missing:
        more = ", …" if done.missing > len(done.missing_first) else ""
        lines.append(
            f"{pictures(done.missing)} cannot be classified again: {_originals(done.missing)} moved, changed or removed "
            f"by somebody: {', '.join(done.missing_first)}{more}"
        )
    within = "" if which.group is None else f" in the group {which.group}"
    return lines or [f"Nothing to do: no picture{within} has a result of {which}."]


def _originals(count: int) -> str:
    return "its original was" if count == 1 else "their originals were"
