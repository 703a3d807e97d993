"""The command `watcher`: its sub-commands by name, and how faults become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from watcher import __version__
from watcher.cli.harmless import guard_streams
from watcher.cli.helping import Context, Group
from watcher.errors import UsageError, WatcherError
from watcher.intake.names import clean

# Command → module and the line that `watcher --help` shows; modules are imported when they are called,
# so that help is instant.
COMMANDS = {
    "init": ("home", "Make a home: folders and a commented watcher.toml."),
    "run": ("run", "Watch the inbox; with --once, empty it and exit."),
    "demo": ("demo", "Try it: real photographs, a running daemon, the results."),
    "classify": ("classify", "Classify pictures or folders now, without a home."),
    "bench": ("bench", "Measure this machine stage by stage, and say what the limit is."),
    "results": ("results", "Query what was classified."),
    "browse": ("browse", "Look at the results and their pictures in a browser."),
    "report": ("report", "Sum up each group by label, with shares and their intervals."),
    "reprocess": ("reprocess", "Put pictures in line again that a bad version has classified."),
    "retry": ("retry", "Put failed pictures in line again."),
    "status": ("status", "Say what waits, what is done and what is left alone."),
    "verify": ("verify", "Check that results and files balance; with --repair, mend what can be mended."),
    "explain": ("explain", "Say why a file is where it is."),
    "doctor": ("doctor", "Check whether this machine and this home are fit, and say what to do."),
    "backup": ("backup", "Back up a home, also while its daemon works."),
    "restore": ("backup", "Make a home of a backup."),
    "train": ("train", "Train a model on labelled pictures."),
    "test": ("testing", "Try a model on a random picture whose label is known."),
    "menu": ("menu", "Train, test and classify by answering questions."),
    "datasets": ("datasets", "List and fetch published sets of labelled pictures."),
    "jobs": ("jobs", "Retrain models on a schedule: list, check and run jobs, and see what came of them."),
    "models": ("models", "List, show, fetch and import models; choose their versions."),
    "completion": ("completion", "Print the script by which a shell completes what one types."),
}


class Commands(Group):
    """Finds sub-commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"watcher.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        command.context_class = Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WatcherError as fault:
            if ctx.params["debug"]:
                raise
            _say(str(fault))
            ctx.exit(2 if isinstance(fault, UsageError) else 1)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # Whoever read our output has had enough; Python must not try to flush the rest at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except OSError as fault:
            if ctx.params["debug"]:
                raise
            where = f"{clean(os.fsdecode(fault.filename))}: " if isinstance(fault.filename, str | bytes) else ""
            _say(f"{where}{fault.strerror or fault}")
            ctx.exit(1)
        except Exception as fault:  # a mistake of ours, or of a library's
            if ctx.params["debug"]:
                raise
            lines = str(fault).strip().splitlines() or [""]
            _say(f"unexpected fault, {type(fault).__name__}: {lines[0]} (--debug before the command shows more)")
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    help="The home; else $WATCHER_HOME, else here.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a fault.")
@click.version_option(__version__, prog_name="watcher")
@click.pass_context
def main(ctx: click.Context, /, home: Path | None, **_: bool) -> None:
    """Watcher classifies the pictures that people drop into a folder.

    `watcher COMMAND --help` says what a command does, with examples. Exit codes: 0 done, 1 it could not be done (a
    line on standard error says why), 2 wrong usage.

    Example: `watcher init && watcher run`, then copy pictures into inbox/
    """
    ctx.obj = home
    guard_streams()


def _say(message: str) -> None:
    for line in message.splitlines():
        click.echo(f"watcher: {line}", err=True)
