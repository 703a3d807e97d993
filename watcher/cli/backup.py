"""`watcher backup` and `watcher restore`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.options import home_root, keep_rights, the_home
from watcher.cli.output import console, pictures
from watcher.intake.names import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.backup.making import Made
    from watcher.backup.restoring import Backup, Restored
    from watcher.home import Home

MOST_NAMED = 5


@click.command()
@click.argument("place", metavar="FILE-OR-FOLDER", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there and a backup; no other file is replaced.")
@click.pass_context
def backup(ctx: click.Context, place: Path, *, overwrite: bool) -> None:
    """Back up a home, also while its daemon works: all of it but the pictures, as one tar file.

    In it are the settings, the results (SQLite, as of one moment), the job files, the models with all their versions,
    the corrections, and the home's name. In a folder the file is called watcher-HOME-TIME.tar. It has its name only
    once it is whole and on the disk; only its owner may read it, for the settings may hold a password. Meanwhile it
    needs room for the database twice.

    The pictures are ordinary files, for rsync or whatever copies your other files. Copy them AFTER this, in this
    order: outbox, inbox (with its hidden folder .watcher), done, failed. Then everything that the results name is in
    the copy; what came later is put in line again after a restore. Results in PostgreSQL are pg_dump's to copy, BEFORE
    this.

    Prints what is in the file. `watcher restore` makes a home of it; so do `tar -xf FILE -C NEW-HOME`
    and `watcher --home NEW-HOME init`.

    Example: `watcher --home /srv/pictures backup /mnt/backups`
    """
    from watcher.backup.making import make
    from watcher.clock import utc

    home = the_home(ctx)
    with _progress("Backing up") as progress:
        made = make(home, place, utc(), overwrite=overwrite, progress=progress)
    for line in _made(home, made):
        click.echo(line)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def restore(ctx: click.Context, file: Path) -> None:
    """Make a home of a backup, in a folder that is none yet.

    The backup is read to its end first, and every digest compared. Nothing is written over; files that are there
    already, as in a models folder on a share, stay. If it is stopped, give the same command again.

    Prints what comes next: copy the pictures' folders, `watcher verify --repair`, `watcher run`. Exit code 1 if files
    of the backup were left out because others have their names.

    Example: `watcher --home /srv/pictures restore /mnt/backups/watcher-pictures-20261124T020000Z.tar`
    """
    from watcher.backup.restoring import read
    from watcher.backup.restoring import restore as restore_now

    root = home_root(ctx)
    found = read(file)
    keep_rights(found.settings)
    done = restore_now(found, root)
    for line in _restored(root, found, done):
        click.echo(line)
    ctx.exit(1 if done.different else 0)


def _made(home: Home, made: Made) -> Iterator[str]:
    results = "" if made.pictures is None else f"the results of {pictures(made.pictures)}, "
    yield (
        f"{made.file}, {made.size / 1e6:,.1f} MB: {results}{_number(made.models, 'model version')}, "
        f"{_number(made.jobs, 'job')}, {_number(made.corrections, 'correction')}, the settings."
    )
    if made.elsewhere is not None:
        yield f"Not in it are the results, in {made.elsewhere}: `pg_dump --format=custom` copies them, BEFORE this command."
    folders = ", ".join(str(folder) for folder in (home.outbox, home.inbox, home.done, home.failed))
    yield f"Not in it are the pictures: copy them now, in this order: {folders}"


def _restored(root: Path, found: Backup, done: Restored) -> Iterator[str]:
    said = found.facts
    results = "" if said.get("pictures") is None else f", with the results of {pictures(said['pictures'])}"
    yield f"A home in {root}: {_number(done.files, 'file')} as of {said.get('made_at')}{results}."
    if done.different:
        names = ", ".join(clean(str(path)) for path in done.different[:MOST_NAMED])
        more = ", …" if len(done.different) > MOST_NAMED else ""
        yield f"{_number(len(done.different), 'file')} had others in their place, which stay: {names}{more}"
    if said.get("pictures") is None:
        yield f"The results are not in it: `pg_restore` brings them back to {said.get('database')}."
    yield (
        "Next: copy back outbox, inbox (with its hidden folder .watcher), done and failed; then "
        f"`watcher --home {root} verify --repair`, and `watcher --home {root} run`."
    )
    yield f"The home {said.get('home')} on {said.get('host')} must not be run any more: both have one name, and one inbox perhaps."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for people, and nothing for cron."""
    if not sys.stderr.isatty():
        yield lambda _done, _whole: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console(stderr=True)) as shown:
        task = shown.add_task(what)
        yield lambda done, whole: shown.update(task, completed=done, total=whole)
