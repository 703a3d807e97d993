"""How `--help` looks: each example on a line that can be copied, and each sub-command's first sentence whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXAMPLE = re.compile(r"Example: `(?P<command>[^`]+)`(?P<more>.*)", re.DOTALL)
WHOLE = 10_000  # letters of a sentence, so that none is cut


class Formatter(click.HelpFormatter):
    """Wraps texts as click does, but for commands, which it breaks as a shell lets one."""

    def write_text(self, text: str) -> None:
        for number, paragraph in enumerate(re.split(r"\n\s*\n", text)):
            self.write("\n" if number else "")
            if found := _EXAMPLE.fullmatch(paragraph):
                self._write_example(" ".join(found["command"].split()), " ".join(found["more"].split()))
            else:
                super().write_text(paragraph)

    def _write_example(self, command: str, more: str) -> None:
        what = more.strip(", ")
        super().write_text(f"Example ({what}):" if what else "Example:")
        with self.indentation():
            indent = " " * self.current_indent
            for line in _broken(command, self.width - len(indent)):
                self.write(f"{indent}{line}\n")


def _broken(command: str, width: int) -> Iterator[str]:
    """A command in lines that a shell takes for one."""
    while len(command) > width and (place := command.rfind(" ", 0, width - 2)) > 0:
        yield f"{command[:place]} \\"
        command = f"  {command[place + 1 :]}"
    yield command


class Context(click.Context):
    """What a command is called in."""

    formatter_class = Formatter


class Group(click.Group):
    """Commands with sub-commands."""

    context_class = Context

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(WHOLE)) for name, command in found if command and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
