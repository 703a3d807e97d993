"""`watcher verify`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

import click

from watcher.cli import logs
from watcher.cli.options import format_option, the_home
from watcher.cli.output import print_rows
from watcher.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.books.accepted import Accepted
    from watcher.books.findings import Finding
    from watcher.books.repair import Mended
    from watcher.home import Home

Do = Literal["verify", "repair", "accept"]
COLUMNS = ("kind", "path", "row", "sentence", "repairable")


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended. No daemon may run meanwhile.")
@click.option(
    "--accept",
    is_flag=True,
    help="Note that what is missing was taken out on purpose: it counts as balanced. No daemon may run meanwhile.",
)
@click.option("--contents", is_flag=True, help="Read every original, too, and compare its SHA-256.")
@format_option
@click.pass_context
def verify(ctx: click.Context, form: str, *, repair: bool, accept: bool, contents: bool) -> None:
    """Check that the results and the files balance: one row, one annotated copy and one original for each picture.

    Says what does not, file by file, and what to do. Exit code 1 if anything does not balance (with --repair or
    --accept: even then), else 0. May be asked while the daemon works.

    Example: `watcher verify --repair`
    """
    if repair and accept:
        raise UsageError("--repair first, which brings back what it can; then --accept what is gone for good")
    home = the_home(ctx)
    logs.configure(quiet=True)
    do: Do = "repair" if repair else "accept" if accept else "verify"
    balances = (_print if form == "table" else _print_values)(home, form, do, contents=contents)
    ctx.exit(0 if balances else 1)


def _events(home: Home, do: Do, *, contents: bool) -> Iterator[Finding | Mended | Accepted]:
    from watcher.books.repair import accept_gone
    from watcher.books.repair import repair as repair_now
    from watcher.books.verify import verify as verify_now
    from watcher.clock import utc

    match do:
        case "repair":
            yield from repair_now(home, utc(), contents=contents)
        case "accept":
            yield from accept_gone(home, utc(), contents=contents)
        case "verify":
            yield from verify_now(home, contents=contents)


def _print(home: Home, _: str, do: Do, *, contents: bool) -> bool:
    """Line by line, as things are found; whether all balances."""
    from watcher.books.findings import Finding
    from watcher.books.repair import Mended

    if do == "verify":
        _print_counts(home)
    found = mendable = 0
    for event in _events(home, do, contents=contents):
        if isinstance(event, Finding):
            found += 1
            mendable += event.repairable
            click.echo(event.sentence)
        elif isinstance(event, Mended):
            click.echo(f"Mended: {event.done}" if event.fault is None else f"Not mended, for {event.fault}.")
        else:
            click.echo(f"Accepted: {event.done}")
    if do != "verify":
        _print_counts(home)
    if not found:
        click.echo("All balances.")
        return True
    more = f"; `watcher verify --repair` mends {mendable:,}" if mendable and do != "repair" else ""
    click.echo(f"{found:,} {'thing does' if found == 1 else 'things do'} not balance{more}.")
    return False


def _print_counts(home: Home) -> None:
    from watcher.books.verify import accepted, counts

    for name, number in counts(home).items():
        click.echo(f"{name:>12} {'?' if number is None else format(number, ','):>9}")
    if days := accepted(home):
        first, last = next(iter(days)), next(reversed(days))
        when = f"on {last}" if first == last else f"from {first} to {last}"
        number = sum(days.values())
        click.echo(f"{number:,} {'file is' if number == 1 else 'files are'} taken out, accepted {when}.")


def _print_values(home: Home, form: str, do: Do, *, contents: bool) -> bool:
    """As JSON, with the counts and what was done; or as CSV, what does not balance; whether all does."""
    from watcher.books.findings import Finding
    from watcher.books.repair import Mended
    from watcher.books.verify import accepted, counts

    findings: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    for event in _events(home, do, contents=contents):
        if isinstance(event, Finding):
            findings.append(dataclasses.asdict(event))
        else:
            fault = event.fault if isinstance(event, Mended) else None
            done.append(dataclasses.asdict(event.finding) | {"done": event.done or None, "fault": fault})
    if form == "csv":
        print_rows(findings, form, COLUMNS)
    else:
        said: dict[str, Any] = {"balances": not findings, "counts": counts(home), "taken_out": accepted(home)}
        extra = {} if do == "verify" else {"mended" if do == "repair" else "accepted": done}
        click.echo(json.dumps(said | {"findings": findings} | extra, indent=1, ensure_ascii=False))
    return not findings
