"""`watcher jobs …`: scheduled retraining, looked at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import completing
from watcher.cli.helping import Group
from watcher.cli.job_access import book_to_read, book_to_write, check_name, no_job, the_job
from watcher.cli.job_runs import run, work
from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import JobError, SettingsError

if TYPE_CHECKING:
    from watcher.home import Home
    from watcher.results.runbook import RunBook
    from watcher.results.runs import Run

LISTED = ("job", "model", "schedule", "timezone", "enabled", "next", "last_run", "last_state", "fault")
HISTORY = ("run", "job", "state", "scheduled_at", "started_at", "ended_at", "version_before", "version_after", "reason")
NUMBER = click.IntRange(1, 2**31 - 1)
# What was told to end is waited for so long.
END_SECONDS = 20.0


@click.group(cls=Group)
def jobs() -> None:
    """Retrain models on a schedule: job files in the folder jobs/, their runs and what came of them.

    Example: `watcher jobs list`
    """


jobs.add_command(run)
jobs.add_command(work)


@jobs.command("list")
@format_option
@click.pass_context
def list_jobs(ctx: click.Context, form: str) -> None:
    """List the jobs: when each runs next, and how its last run ended.

    Example: `watcher jobs list`
    """
    from watcher.clock import utc
    from watcher.jobs.standing import standings

    home = the_home(ctx)
    with book_to_read(home) as book:
        rows = [asdict(standing) for standing in standings(home, book, utc())]
    shown = [name for name in LISTED if form != "table" or name != "fault" or any(row["fault"] for row in rows)]
    print_rows(rows, form, LISTED, shown)


@jobs.command()
@click.argument("names", nargs=-1, shell_complete=completing.jobs)
@click.pass_context
def validate(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Check job files, all or those named: every fault with its file, its line and what would be right.

    Example: `watcher jobs validate`
    """
    from watcher.jobs.folder import read_folder
    from watcher.jobs.validation import doubts

    home = the_home(ctx)
    files = read_folder(home.jobs)
    unknown = set(names) - {found.name for found in files}
    if unknown:
        raise JobError(no_job(min(unknown), home, files))
    faults: list[str] = []
    for found in files:
        if names and found.name not in names:
            continue
        said = [*found.faults, *doubts(found, home)]
        faults += said
        if not said:
            click.echo(f"{found.path}: right")
    if not files:
        click.echo(f"There are no job files in {home.jobs}.")
    if faults:
        raise SettingsError(faults)


@jobs.command()
@click.argument("name", shell_complete=completing.jobs)
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@format_option
@click.pass_context
def preview(ctx: click.Context, name: str, count: int, form: str) -> None:
    """Show when a job runs next, in its own time zone and in UTC, and what the next change of the clocks does to it.

    Example: `watcher jobs preview malaria -n 10`
    """
    from watcher.clock import utc
    from watcher.jobs.standing import preview as coming

    job = the_job(the_home(ctx), name)
    rows = [
        {"local": f"{local:%a %Y-%m-%d %H:%M:%S %z}", "utc": f"{due:%Y-%m-%d %H:%M:%S}Z", "clock": note}
        for local, due, note in coming(name, job, utc(), count)
    ]
    if not rows:
        why = "it has no schedule" if job.schedule is None else "it is not enabled"
        raise JobError(f"the job {name} never runs by itself, for {why}; `watcher jobs run {name}` runs it now")
    print_rows(rows, form, ("local", "utc", "clock"))


@jobs.command()
@click.argument("name", required=False, shell_complete=completing.jobs)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the newest.")
@format_option
@click.pass_context
def history(ctx: click.Context, name: str | None, limit: int, form: str) -> None:
    """List the runs of a job, or of all: when, how each ended and why, and the versions before and after.

    Example: `watcher jobs history malaria`
    """
    home = the_home(ctx)
    with book_to_read(home) as book:
        found = book.history(name, limit) if book else []
    if name is not None and not found:
        check_name(name, home)
    rows = [_facts(one) for one in found]
    print_rows(rows, form, tuple(rows[0]) if rows and form != "table" else HISTORY, HISTORY)


@jobs.command()
@click.argument("number", metavar="RUN", type=NUMBER)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.pass_context
def show(ctx: click.Context, number: int, form: str) -> None:
    """Show all that is known of a run: its decision, figures, report and log.

    Example: `watcher jobs show 12`
    """
    home = the_home(ctx)
    with book_to_read(home) as book:
        found = _run(book, number)
    facts = _facts(found) | {"settings": json.loads(found.settings) if found.settings else None}
    if form == "json":
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for key, value in facts.items():
        if value is not None and key not in ("metrics", "settings"):
            click.echo(f"{key.replace('_', ' ') + ':':<16} {value}")
    for figure, value in (facts["metrics"] or {}).items():
        if value["value"] is not None:
            click.echo(f"{figure.replace('_', ' ') + ':':<20} {value['value']:.3f}")


@jobs.command()
@click.argument("number", metavar="RUN", type=NUMBER)
@click.pass_context
def cancel(ctx: click.Context, number: int) -> None:
    """End a run that goes on or waits. What it has learned so far is kept for the next run.

    Example: `watcher jobs cancel 12`
    """
    from watcher.clock import utc
    from watcher.results.runs import ACTIVE, RunState

    home = the_home(ctx)
    with book_to_write(home) as book:
        before = _run(book, number)
        ended = {"state": RunState.CANCELLED, "reason": "cancelled by hand", "ended_at": utc()}
        if not book.change(number, ACTIVE, **ended):
            raise JobError(f"run {number} has ended already: it is {_run(book, number).state.value}")
        found = _run(book, number)  # it may have begun between the two
    if before.state is RunState.RUNNING and found.host != socket.gethostname():
        raise JobError(
            f"run {number} is noted as cancelled, and nothing of it will go live; but its process {found.pid} on "
            f"{found.host} may still be at work: end it there"
        )
    if not _end(home, found):
        raise JobError(f"run {number} is noted as cancelled, but its process {found.pid} has not ended yet")
    click.echo(f"Run {number} of the job {found.job} is cancelled.")


def _end(home: Home, found: Run) -> bool:
    """Ends the run's process, if it is still the one that holds the job's lock; whether it is gone."""
    from watcher import locks

    def at_work() -> bool:
        return (locks.holder(home.job_lock(found.job)) or "").startswith(f"process {found.pid} on ")

    if found.pid is None or not at_work():
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while at_work() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not at_work()


def _facts(run: Run) -> dict[str, Any]:
    from watcher.jobs.summary import summary

    facts = summary(run)
    return {"run": facts.pop("id"), **facts}


def _run(book: RunBook | None, number: int) -> Run:
    found = book.get(number) if book else None
    if found is None:
        raise JobError(f"there is no run {number}: see `watcher jobs history`")
    return found
