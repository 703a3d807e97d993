"""`watcher verify`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from watcher.cli import logs
from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.books.findings import Finding
    from watcher.books.repair import Mended
    from watcher.home import Home

COLUMNS = ("kind", "path", "row", "sentence", "repairable")


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended. No daemon may run meanwhile.")
@click.option("--contents", is_flag=True, help="Read every original, too, and compare its SHA-256.")
@format_option
@click.pass_context
def verify(ctx: click.Context, form: str, *, repair: bool, contents: bool) -> None:
    """Check that the results and the files balance: one row, one annotated copy and one original for each picture.

    Says what does not, file by file, and what to do. Exit code 1 if anything does not balance (with --repair: even
    then), else 0. May be asked while the daemon works.

    Example: `watcher verify --repair`
    """
    home = the_home(ctx)
    logs.configure(quiet=True)
    balances = (_print if form == "table" else _print_values)(home, form, repair=repair, contents=contents)
    ctx.exit(0 if balances else 1)


def _events(home: Home, *, repair: bool, contents: bool) -> Iterator[Finding | Mended]:
    from watcher.books.repair import repair as repair_now
    from watcher.books.verify import verify as verify_now
    from watcher.clock import utc

    return repair_now(home, utc(), contents=contents) if repair else verify_now(home, contents=contents)


def _print(home: Home, _: str, *, repair: bool, contents: bool) -> bool:
    """Line by line, as things are found; whether all balances."""
    from watcher.books.findings import Finding
    from watcher.books.verify import counts

    if not repair:
        _print_counts(counts(home))
    found = mendable = 0
    for event in _events(home, repair=repair, contents=contents):
        if isinstance(event, Finding):
            found += 1
            mendable += event.repairable
            click.echo(event.sentence)
        else:
            click.echo(f"Mended: {event.done}" if event.fault is None else f"Not mended, for {event.fault}.")
    if repair:
        _print_counts(counts(home))
    if not found:
        click.echo("All balances.")
        return True
    more = f"; `watcher verify --repair` mends {mendable:,}" if mendable and not repair else ""
    click.echo(f"{found:,} {'thing does' if found == 1 else 'things do'} not balance{more}.")
    return False


def _print_counts(numbers: dict[str, int | None]) -> None:
    for name, number in numbers.items():
        click.echo(f"{name:>12} {'?' if number is None else format(number, ','):>9}")


def _print_values(home: Home, form: str, *, repair: bool, contents: bool) -> bool:
    """As JSON, with the counts and what was mended; or as CSV, what does not balance; whether all does."""
    from watcher.books.findings import Finding
    from watcher.books.verify import counts

    findings: list[dict[str, Any]] = []
    mended: list[dict[str, Any]] = []
    for event in _events(home, repair=repair, contents=contents):
        if isinstance(event, Finding):
            findings.append(dataclasses.asdict(event))
        else:
            done = {"done": event.done or None, "fault": event.fault}
            mended.append(dataclasses.asdict(event.finding) | done)
    if form == "csv":
        print_rows(findings, form, COLUMNS)
    else:
        said: dict[str, Any] = {"balances": not findings, "counts": counts(home), "findings": findings}
        click.echo(json.dumps(said | ({"mended": mended} if repair else {}), indent=1, ensure_ascii=False))
    return not findings
