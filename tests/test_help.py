"""`--help` is a page that a person can work by: for every command, at the width of any terminal."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from test_documentation import commands

from watcher.cli.helping import Context
from watcher.cli.main import main

COLUMNS = 80
HEAVY = {"tensorflow", "keras", "sqlalchemy", "alembic", "matplotlib", "sklearn", "watchdog"}
EVERY = [("", main), *commands()]
named = pytest.mark.parametrize(("name", "command"), EVERY, ids=[name or "watcher" for name, _ in EVERY])


def context(name: str) -> Context:
    """What a command is called in, by its full name, at a terminal of 80 columns."""
    made, command = Context(main, info_name="watcher", terminal_width=COLUMNS), main
    for word in name.split():
        found = command.get_command(made, word)
        assert found is not None
        made = Context(found, info_name=word, parent=made, terminal_width=COLUMNS)
        command = found
    return made


def examples(command: click.Command) -> list[str]:
    """The commands of its examples, each in one line."""
    return [" ".join(found.split()) for found in re.findall(r"Example: `([^`]+)`", command.help or "")]


@named
def test_help_fits_a_terminal(name: str, command: click.Command) -> None:
    """No line is longer than 80 letters, nothing is cut off, and it says what each option does."""
    made = context(name)
    shown = made.command.get_help(made)
    assert [line for line in shown.splitlines() if len(line) > COLUMNS] == []
    assert "..." not in shown.replace("]...", "").replace("S...", "").replace("E...", "")
    unexplained = [each.opts for each in command.params if isinstance(each, click.Option) and not each.help]
    assert unexplained == []


@named
def test_defaults_are_shown(name: str, command: click.Command) -> None:
    """A person sees what an option is if it is left out."""
    made = context(name)
    for option in command.params:
        default = option.get_default(made)
        if isinstance(option, click.Option) and isinstance(default, (str, int, float)) and default is not False:
            assert option.show_default or "default" in (option.help or ""), option.opts


@named
def test_examples_can_be_typed(name: str, command: click.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is of this command, and its options and arguments are such as it takes. Their files need not be here."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: Path(value))
    found = examples(command)
    assert found
    assert any(f" {name}".rstrip() in example for example in found)
    for example in found:
        for words in pieces(example):
            parse(words)


def pieces(example: str) -> list[list[str]]:
    """The commands of a line for a shell, without where their output goes."""
    lines: list[list[str]] = [[]]
    for word in shlex.split(example, posix=True):
        if word in ("&&", "||", "|"):
            lines.append([])
        else:
            lines[-1].append(word)
    return [line[: line.index(">")] if ">" in line else line for line in lines]


def parse(words: list[str]) -> None:
    """As click does before it calls a command. Raises UsageError."""
    assert words[0] == "watcher"
    made = main.make_context("watcher", words[1:])
    command: click.Command = main
    while isinstance(command, click.Group):
        _, found, rest = command.resolve_command(made, [*made._protected_args, *made.args])
        assert found is not None
        made, command = found.make_context(found.name, rest, parent=made), found


def test_a_mistaken_example_would_be_found() -> None:
    for example in ("watcher results --grup a", "watcher models promote malaria", "watcher nothing"):
        with pytest.raises(click.UsageError):
            parse(shlex.split(example))


def test_an_example_is_a_line_to_copy() -> None:
    """One that is too long is broken as a shell lets it be."""
    shown = (made := context("models import")).command.get_help(made)
    _, _, after = shown.partition("Example:\n")
    lines = after.split("\n\n")[0].splitlines()
    assert " ".join(line.removesuffix("\\").strip() for line in lines) == examples(made.command)[0]


def test_help_is_instant() -> None:
    """Whatever is asked for help, nothing is imported that takes long."""
    script = (
        "import sys, click\nfrom watcher.cli.main import main\n"
        "for name in main.list_commands(click.Context(main)):\n"
        "    command = main.get_command(click.Context(main), name)\n"
        "    command.get_help(click.Context(command))\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
