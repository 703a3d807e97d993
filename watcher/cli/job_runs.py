"""`watcher jobs run`, and what the daemon starts for a scheduled run."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from watcher.cli import completing
from watcher.cli.job_access import book_to_write, the_job
from watcher.cli.options import the_home
from watcher.errors import JobError, UsageError

if TYPE_CHECKING:
    from watcher.home import Home
    from watcher.jobs.work import Bid
    from watcher.results.runbook import RunBook
    from watcher.results.runs import Run

# Exit codes of `jobs run`, for crontabs and systemd; 1 and 2 are what they are everywhere.
NOT_PASSED, RUNNING_ALREADY, STOPPED = 3, 4, 130


@click.command()
@click.argument("name", shell_complete=completing.jobs)
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="Train and judge, but leave live what is live; the exit code is 0 whatever the gate says.",
)
@click.option("--force", metavar="REASON", help="Promote whatever the gate says; the reason is kept with the run.")
@click.pass_context
def run(ctx: click.Context, name: str, dry: bool, force: str | None) -> None:
    """Run a job now, in the foreground: train, compare with the live model, promote if the gate is passed.

    A run that was stopped is gone on with. Exit codes: 0 promoted, 3 not promoted, for the gate was not passed, 4 the job
    runs already, 1 it failed, 2 wrong usage.

    Example: `watcher jobs run malaria`
    """
    if dry and force is not None:
        raise UsageError("--dry-run promotes nothing, and --force promotes: choose one of them")
    if force is not None and not force.strip():
        raise UsageError("--force wants the reason, which is kept with the run")
    before = {number: signal.signal(number, _leave) for number in _heard()}
    try:
        home = the_home(ctx)
        ended = _by_hand(home, name, dry, force)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if ended is None:
        ctx.exit(RUNNING_ALREADY)
    from watcher.results.runs import RunState

    if ended.state in (RunState.FAILED, RunState.CANCELLED):
        click.echo(f"watcher: run {ended.id} {ended.state.value}: {ended.reason}", err=True)
        ctx.exit(STOPPED if ended.state is RunState.CANCELLED else 1)
    click.echo(f"Run {ended.id}: {ended.reason}")
    if ended.report_path:
        click.echo(f"The report: {home.root / ended.report_path}")
    ctx.exit(0 if ended.state is RunState.PROMOTED or dry else NOT_PASSED)


def _by_hand(home: Home, name: str, dry: bool, force: str | None) -> Run | None:
    """Notes a run and carries it out; None if the job runs already."""
    job = the_job(home, name)
    import watcher.cli.watching
    import watcher.jobs.attempt  # noqa: F401  (both take their time, in which nothing is noted yet)
    from watcher.cli import logs
    from watcher.clock import utc
    from watcher.jobs.ending import mend, tell_of
    from watcher.jobs.work import Bid, JobRunning
    from watcher.results.runs import ACTIVE, RunState

    logs.configure(quiet=True)
    with book_to_write(home) as book:
        for dead in mend(home, book, utc()):
            tell_of(book.get(dead.id))
        for number in _heard():  # what is noted from here on is to be ended properly
            signal.signal(number, signal.default_int_handler)
        added = book.add(name, job.model, utc())
        try:
            return _attempt(home, book, added, job.model_dump_json(), Bid(dry=dry, force=force))
        except JobRunning as fault:
            click.echo(f"watcher: {fault}", err=True)
            return None
        except KeyboardInterrupt:
            reason = "stopped by hand before it had begun"
            book.change(added.id, ACTIVE, state=RunState.CANCELLED, reason=reason, ended_at=utc())
            return book.get(added.id)


def _heard() -> list[signal.Signals]:
    """A shell starts what is in its background with Ctrl-C ignored, and so it stays."""
    return [number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN]


def _leave(*_: object) -> None:
    """Ends the process while there is nothing to be ended properly. What is raised, libraries may swallow."""
    os.write(sys.stderr.fileno(), b"watcher: stopped before the run had begun\n")
    os._exit(STOPPED)


@click.command(hidden=True)
@click.argument("number", metavar="RUN", type=int)
@click.pass_context
def work(ctx: click.Context, number: int) -> None:
    """Carry out a run that is noted in the database; the daemon calls this.

    Example: `watcher jobs work 12`
    """
    home = the_home(ctx)
    from watcher.cli import logs
    from watcher.jobs.attempt import step_back
    from watcher.jobs.work import Bid

    logs.configure()
    step_back()
    with book_to_write(home) as book:
        found = book.get(number)
        if found is None or found.settings is None:
            raise JobError(f"there is no run {number} to be carried out: see `watcher jobs history`")
        ended = _attempt(home, book, found, found.settings, Bid())
        click.echo(f"run {number} is {ended.state.value}: {ended.reason}", err=True)


def _attempt(home: Home, book: RunBook, run: Run, settings: str, bid: Bid) -> Run:
    from watcher.cli.watching import Onlooker
    from watcher.clock import utc
    from watcher.jobs.attempt import attempt
    from watcher.jobs.files import JobFile
    from watcher.jobs.processes import log_of
    from watcher.jobs.work import Work
    from watcher.models.registry import Registry
    from watcher.results.runs import Trigger

    job = JobFile.model_validate_json(settings)
    # What a person runs tells them on their terminal.
    path = log_of(home, run) if run.trigger is Trigger.SCHEDULE else None
    with Onlooker() as onlooker:
        return attempt(Work(home, Registry(home.models), book, onlooker, utc), book, run, job, path, utc, bid)
