"""`watcher menu`: the article's four choices, asked for one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from watcher.cli.options import home_root
from watcher.home import exists
from watcher.intake.names import clean

TITLE = (
    "\nWhat is to be done?\n  1  train a model\n  2  test it on a random picture\n  3  classify a picture\n  4  quit\n"
)
CHOICES = {"1": "train", "2": "test", "3": "classify", "4": "quit", "q": "quit", "exit": "quit"}
LONGEST_ECHO, LONGEST_FAULT = 40, 400  # characters: of an answer that is repeated, of a fault
INTERRUPTED = 128 + signal.SIGINT  # the exit code of a command that heeded Ctrl-C in its own way


class _Back(Exception):
    """Nothing more is answered to a question."""


@dataclass(slots=True)
class _Menu:
    """What was answered before in this run is offered again."""

    main: click.Command
    home: Path
    pictures: str = ""  # the folder of labelled pictures
    picture: str = ""
    model: str = ""

    def train(self) -> None:
        """Asks for what `watcher train` needs; a stopped training is gone on with by the same answers."""
        if not self._has_home():
            return
        self.pictures = _path("Folder of pictures, with a sub-folder for each label", self.pictures)
        self.model = _ask("Name of the model", self.model or _model_name(self.pictures))
        from watcher.training.datasets import group_by_of

        found = group_by_of(Path(self.pictures))
        told = "Expression for a patient's or slide's part of the file names, - for none"
        group_by = _ask(told, found or "-")
        grouped = [] if group_by == "-" else [f"--group-by={group_by}"]
        if self._run("train", f"--model={self.model}", *grouped, "--", self.pictures) == "stopped":
            click.echo("Choose 1 again, with the same answers, to go on where it was.")

    def test(self) -> None:
        """One picture, another each time."""
        self.pictures = _path("Folder of pictures, with a sub-folder for each label", self.pictures)
        self._run("test", *self._with_model(), "--", self.pictures)

    def classify(self) -> None:
        """A picture, or a folder of them."""
        self.picture = _path("Picture, or a folder of them", self.picture)
        self._run("classify", *self._with_model(), "--", self.picture)

    def _with_model(self) -> list[str]:
        names = self._models()
        self.model = _ask(f"Model ({', '.join(names)})", self.model if self.model in names else names[0])
        return [f"--model={self.model}"]

    def _models(self) -> list[str]:
        """The models that there are or that can be fetched, the one to be taken by default first."""
        from watcher.cli.opening import WITHOUT_HOME
        from watcher.errors import WatcherError
        from watcher.home import open_home
        from watcher.models.builtin import fetchable
        from watcher.models.registry import Registry

        names, default = set(fetchable()), WITHOUT_HOME
        with contextlib.suppress(WatcherError, OSError):  # the command that is run next says what is wrong
            home = open_home(self.home)
            default, registry = home.settings.models.default, Registry(home.models)
            names |= {default, *(path.name for path in home.models.iterdir() if registry.has(path.name))}
        return sorted(names, key=lambda name: (name != default, name))

    def _has_home(self) -> bool:
        if exists(self.home):
            return True
        click.echo(f"Models are kept in a home, and {clean(str(self.home))} is none yet.")
        return _ask("Make it one (yes or no)", "yes").lower() in ("y", "yes") and self._run("init") == "done"

    def _run(self, *args: str) -> str:
        """Runs a command of ours; whatever becomes of it, its own handlers of signals do not stay."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            code = self.main.main(["--home", str(self.home), *args], prog_name="watcher", standalone_mode=False)
        except (click.Abort, KeyboardInterrupt):
            click.echo("\nStopped.")
            return "stopped"
        except click.ClickException as fault:
            click.echo(f"watcher: {' '.join(fault.format_message().split())[:LONGEST_FAULT]}", err=True)
            return "failed"
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
        if code == INTERRUPTED:
            return "stopped"
        return "failed" if code else "done"


@click.command()
@click.pass_context
def menu(ctx: click.Context) -> None:
    """Train, test and classify by answering questions: a number or a word, Enter for what stands in [brackets].

    Ctrl-C leads back from a question or a training; `q`, or Ctrl-D, leaves.

    Example: `watcher --home /srv/pictures menu`
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (arrow keys, where there is a terminal)
    if isinstance(sys.stdin, io.TextIOWrapper):  # a name on disk may be any bytes, and so may garbage
        sys.stdin.reconfigure(errors="surrogateescape")
    chosen = _Menu(ctx.find_root().command, home_root(ctx))
    for choice in _choices():
        with contextlib.suppress(_Back):
            getattr(chosen, choice)()
    click.echo("Goodbye.")


def _choices() -> Iterator[str]:
    """What is chosen, until that is to leave, or nobody is there to choose."""
    while True:
        click.echo(TITLE)
        try:
            answer = _answer("Your choice: ").rstrip(".)").lower()
        except _Back:
            click.echo()
            return
        choice = CHOICES.get(answer, answer)
        if choice == "quit":
            return
        if choice in CHOICES.values():
            yield choice
        elif answer:
            click.echo(f"{_short(answer)} is none of the choices: answer 1, 2, 3 or 4.")


def _ask(question: str, default: str) -> str:
    """A sound answer; an empty one takes the default. Raises _Back if there is none."""
    while True:
        answer = _answer(f"{question}{f' [{clean(default)}]' if default else ''}: ") or default
        if not answer:
            click.echo("Something is needed here; Ctrl-C leads back to the menu.")
        elif any(character < " " or character == "\x7f" for character in answer):
            click.echo("There are control characters in that answer: please type it again.")
        else:
            return answer


def _path(question: str, default: str) -> str:
    """A path as people give it: with `~`, or in the quotes that a file manager puts round it."""
    answer = _ask(question, default)
    if len(answer) > 2 and answer[0] == answer[-1] and answer[0] in "'\"":
        answer = answer[1:-1]
    return os.path.expanduser(answer)


def _answer(prompt: str) -> str:
    """A line that somebody typed or sent, without blanks around it. Raises _Back on Ctrl-C, Ctrl-D and no more lines."""
    try:
        return input(prompt).strip()
    except (EOFError, KeyboardInterrupt, OSError, RuntimeError) as end:  # the last two: the terminal is gone
        raise _Back from end


def _short(answer: str) -> str:
    shown = clean(answer)
    return repr(shown if len(shown) <= LONGEST_ECHO else f"{shown[:LONGEST_ECHO]}…")


def _model_name(folder: str) -> str:
    """A model's name made of its folder's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", Path(os.path.abspath(folder)).name.lower()).strip("-._")
    return name[:64] or "mine"
