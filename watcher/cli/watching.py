"""What a person sees of a training: a bar for each stage on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable

# Where nobody watches, a stage says so often how far it is.
SECONDS_BETWEEN_LINES = 60.0


class Onlooker:
    """Shows stages, how long each will still take, and notes, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._live = sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), disable=not self._live)

    def __enter__(self) -> Self:
        logging.getLogger("tensorflow").addFilter(_is_ours_to_know)
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("tensorflow").removeFilter(_is_ours_to_know)
        self._bars.stop()

    def stage(self, name: str) -> Callable[[int, int], None]:
        if not self._live:
            return _lines(name)
        task = self._bars.add_task(name, total=None)
        return lambda done, total: self._bars.update(task, completed=done, total=total)

    def note(self, text: str) -> None:
        click.echo(text, err=True) if not self._live else self._bars.console.print(text, markup=False)


def _is_ours_to_know(record: logging.LogRecord) -> bool:
    """Each network of a training is compiled once, as it must be; TensorFlow takes several for one in a loop."""
    return "triggered tf.function retracing" not in record.getMessage()


def _lines(name: str) -> Callable[[int, int], None]:
    """A line when the stage begins, ends, and in between as time goes by."""
    start = told = time.monotonic()
    first: int | None = None
    click.echo(f"{name} …", err=True)

    def tell(done: int, total: int) -> None:
        nonlocal told, first
        now = time.monotonic()
        if first is None:
            first = done  # a run that goes on does not begin at nothing
        if done < total and now - told < SECONDS_BETWEEN_LINES:
            return
        told = now
        left = (now - start) / max(done - first, 1) * (total - done)
        remaining = f", about {_span(left)} left" if done < total else f", in {_span(now - start)}"
        click.echo(f"{name}: {done:,} of {total:,}{remaining}", err=True)

    return tell


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
