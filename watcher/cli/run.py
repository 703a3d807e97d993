"""`watcher run`: the daemon."""

from __future__ import annotations

import _thread
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.options import the_home
from watcher.cli.output import console, pictures
from watcher.errors import ModelMissing
from watcher.locks import handed_on
from watcher.service.systemd import Systemd
from watcher.service.watch import STANDARD_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.home import Home


@click.command()
@click.option("--once", is_flag=True, help="Empty the inbox, then exit.")
@click.pass_context
def run(ctx: click.Context, once: bool) -> None:
    """Watch the inbox and classify what is dropped there, until SIGTERM or Ctrl-C.

    The batch in hand is finished first; a second daemon for the same home is refused. What it does it tells on
    standard error, in the form that `[log]` in watcher.toml names. With --once exit code 1 says that pictures stay in
    the inbox whose model is not here, or cannot be run.

    Example: `watcher --home /srv/pictures run`
    """
    from watcher.cli import logs  # structlog would make help slow

    home = the_home(ctx)
    if once and sys.stderr.isatty():
        refused = _with_progress(home)
    else:
        logs.configure(home.settings.log.format)
        refused = _run(home, once=once, report=lambda _: None)
    if once:
        _complain_of_waiting_pictures(home, refused)


def _run(home: Home, *, once: bool, report: Any) -> Mapping[str, str]:
    systemd = Systemd.taken_from(os.environ)
    systemd.say(STATUS="Starting")
    faulthandler.enable(STANDARD_ERROR)  # what systemd's watchdog ends, or what crashes, says where it was
    stop = Event()
    wake = Event()

    def end() -> None:
        stop.set()
        wake.set()

    # Before TensorFlow is imported, which takes seconds: a signal that comes meanwhile is heeded, too.
    # In a thread, for a handler interrupts the main thread, which may hold the very lock of an event.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(end, ()))

    from watcher.models.package import require_backend
    from watcher.service.daemon import Daemon

    require_backend()

    def anew(lock: int) -> None:
        start_anew(stop, lock, systemd.environment)

    return Daemon(home, report, wake, stop, start_anew=anew, systemd=systemd).run(once=once)


def start_anew(stop: Event, lock: int, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """The same process with a new program in it: whatever hangs is gone, and whoever supervises it sees nothing end.

    The home's lock goes over to it by its handle, so that nobody else can take it in between; `more` goes into its
    environment.
    """
    try:
        if not stop.is_set():
            for handle in map(int, os.listdir("/proc/self/fd")):
                if handle > 2:
                    with suppress(OSError):  # the one of the list itself
                        os.set_inheritable(handle, False)
            os.execve(sys.executable, sys.orig_argv, {**handed_on(lock), **more})  # noqa: S606  (no shell is what is wanted)
    finally:
        os._exit(1)


def _with_progress(home: Home) -> Mapping[str, str]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from watcher.cli import logs
    from watcher.service.status import status

    logs.configure(quiet=True)
    before = status(home)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task("Classifying", total=before.waiting + before.claimed)

        def report(rows: Sequence[object]) -> None:
            progress.advance(task, len(rows))

        return _run(home, once=True, report=report)


def _complain_of_waiting_pictures(home: Home, refused: Mapping[str, str]) -> None:
    """Raises ModelMissing where pictures wait for models that are not here, or are `refused`."""
    from watcher.service.status import status

    waits = [wait for wait in status(home, refused).models_missing if wait.pictures]
    if waits:
        raise ModelMissing("\n".join(f"{pictures(wait.pictures)} still waiting: {wait.reason}" for wait in waits))
