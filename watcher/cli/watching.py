"""What a person sees of a training: a bar for each stage on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

import click

from watcher.cli.harmless import harmless
from watcher.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Callable

# Where nobody watches, a stage says so often how far it is.
SECONDS_BETWEEN_LINES = 60.0


class Onlooker:
    """Shows stages, how long each will still take, and notes, on standard error."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._live = sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console(stderr=True), disable=not self._live)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage(self, name: str) -> Callable[[int, int], None]:
        if not self._live:
            return _lines(name)
        task = self._bars.add_task(name, total=None)
        return lambda done, total: self._bars.update(task, completed=done, total=total)

    def note(self, text: str) -> None:
        if self._live:
            self._bars.console.print(harmless(text), markup=False, highlight=False)
        else:
            click.echo(text, err=True)


def _lines(name: str) -> Callable[[int, int], None]:
    """A line when the stage begins, ends, and in between as time goes by."""
    began = told = time.monotonic()
    # What was done at the first report, and when: a run that goes on does not begin at nothing, and what comes
    # before, such as opening and compiling, is not repeated.
    first: tuple[int, float] | None = None
    click.echo(f"{name} …", err=True)

    def tell(done: int, total: int) -> None:
        nonlocal told, first
        now = time.monotonic()
        first = first or (done, now)
        if done < total and now - told < SECONDS_BETWEEN_LINES:
            return
        told = now
        remaining = ""
        if done >= total:
            remaining = f", in {_span(now - began)}"
        elif done > first[0]:
            left = (now - first[1]) / (done - first[0]) * (total - done)
            remaining = f", about {_span(left)} left"
        click.echo(f"{name}: {done:,} of {total:,}{remaining}", err=True)

    return tell


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
