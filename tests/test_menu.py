"""`watcher menu`: four choices, and no answer that it does not survive."""

from __future__ import annotations

import os
import pty
import random
import select
import signal
import subprocess
import sys
import types
from pathlib import Path

import click
import homes
import pytest
from click.testing import CliRunner, Result

from watcher.cli import main as program
from watcher.cli.main import main
from watcher.errors import DataError
from watcher.home import Home, exists

MENU = "What is to be done?"


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return homes.make(tmp_path / "home", tiny_home_models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Red and green pictures, each in its label's folder."""
    for label in ("red", "green"):
        homes.drop(tmp_path / "my cells", f"{label}/a.png", homes.picture(label))
    return tmp_path / "my cells"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def answers(root: Path, *lines: str | Path) -> Result:
    """What the menu says to these answers, after which nobody answers any more."""
    done = CliRunner().invoke(main, ["--home", str(root), "menu"], input="".join(f"{line}\n" for line in lines))
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("Goodbye.\n")
    assert "Traceback" not in done.output
    return done


def trained(monkeypatch: pytest.MonkeyPatch, *, ends: object = None) -> list[dict[str, object]]:
    """Puts a command in the place of a training, which notes how it is called and ends as told."""
    calls: list[dict[str, object]] = []

    @click.command()
    @click.argument("folder", type=click.Path(exists=True))
    @click.option("--model")
    @click.option("--group-by")
    @click.pass_context
    def train(ctx: click.Context, **given: object) -> None:
        calls.append(given | {"home": ctx.find_root().obj})
        if ends == "interrupted":
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.raise_signal(signal.SIGINT)
        if ends == "deaf":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if isinstance(ends, Exception):
            raise ends
        if isinstance(ends, int):
            sys.exit(ends)

    stand_in = types.ModuleType("watcher.cli.stand_in")
    stand_in.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    monkeypatch.setitem(program.COMMANDS, "train", ("stand_in", "Train a model."))
    return calls


@pytest.mark.parametrize("way_out", ["4", "q", "quit", "exit", " QUIT ", "4.", "Q"])
def test_there_is_a_way_out(home: Home, way_out: str) -> None:
    """By number or by word; what comes afterwards is not read."""
    assert answers(home.root, way_out, "3").stdout.count(MENU) == 1


def test_garbage_gets_a_line_and_the_menu_again(home: Home) -> None:
    """However long or strange; an empty answer gets the menu alone. The end of all answers is a way out."""
    odd = [
        "",
        "  ",
        "5",
        "0",
        "-1",
        "1 2",
        "train me",
        "ü",
        "\x00",
        "\x1b[2J",
        "a\tb",
        "x" * 100_000,
        "\uff11",
        "%s{0}",
    ]
    done = answers(home.root, *odd)
    assert done.stdout.count(MENU) == len(odd) + 1
    assert done.stdout.count("is none of the choices: answer 1, 2, 3 or 4.") == len(odd) - 2
    assert "\x1b" not in done.stdout and "\x00" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 200


def test_random_bytes_do_not_end_it(home: Home) -> None:
    """Not in the real command, either, whose input is no UTF-8."""
    noise = random.Random(0).randbytes(20_000)
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "menu"]
    done = subprocess.run(command, input=noise, capture_output=True, timeout=homes.PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"Goodbye.\n")
    assert b"Traceback" not in done.stderr


def test_a_picture_is_classified_and_one_is_tested(home: Home, folder: Path) -> None:
    """With the home's model and the answers that were given before, where Enter is pressed."""
    done = answers(
        home.root, "3", folder / "red/a.png", "", "2", f"'{folder}'", "tiny", "test", "", "", "classify", "", ""
    )
    assert done.stderr == ""
    assert f"Picture, or a folder of them [{folder / 'red/a.png'}]: " in done.stdout
    assert f"with a sub-folder for each label [{folder}]: " in done.stdout
    assert "Model (tiny" in done.stdout and "[tiny]: " in done.stdout
    assert done.stdout.count("Annotated: tested") == 2
    assert done.stdout.count(" right") == 2
    assert done.stdout.count(f"{folder / 'red/a.png'}") >= 3
    assert homes.paths(Path("tested")) <= homes.paths(folder)


def test_every_fault_is_one_line(home: Home, folder: Path) -> None:
    """Of the question, of the command line, of the work itself; then comes the menu again."""
    done = answers(
        home.root, "3", "", "a\x00b", "/nothing", "", "3", folder, "none", "2", "x" * 9000, "", "2", "--help", ""
    )
    missing, model, long, option = done.stderr.splitlines()
    assert "/nothing" in missing and "does not exist" in missing
    assert "there is no model none" in model
    assert len(long) < 500
    assert "--help" in option and "does not exist" in option
    assert "Something is needed here" in done.stdout
    assert "There are control characters in that answer" in done.stdout
    assert done.stdout.count(MENU) == 5


def test_training_is_asked_for_what_it_needs(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is proposed, and for a known set the expression that tells its slides; the next test takes the model."""
    calls = trained(monkeypatch)
    known = folder.parent / "known"
    for label in ("Parasitized", "Uninfected"):
        (known / label).mkdir(parents=True)
    done = answers(home.root, "1", folder, "", "", "train", known, "cells", "", "1", "", "", "x(.)")
    assert calls == [
        {"folder": str(folder), "model": "my-cells", "group_by": None, "home": home.root},
        {"folder": str(known), "model": "cells", "group_by": r"^C(\d+)", "home": home.root},
        {"folder": str(known), "model": "cells", "group_by": "x(.)", "home": home.root},
    ]
    assert "[my-cells]" in done.stdout


def test_a_home_is_made_where_models_are_to_be_kept(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the answer is yes; else nothing is made, and nothing trained."""
    calls = trained(monkeypatch)
    root = tmp_path / "new"
    root.mkdir()
    answers(root, "1", "no")
    assert (calls, list(root.iterdir())) == ([], [])
    assert "Make it one (yes or no) [yes]: " in answers(root, "1", "", folder, "", "").stdout
    assert exists(root)
    assert len(calls) == 1


def test_where_no_home_is_a_built_in_model_is_proposed(tmp_path: Path) -> None:
    """Testing and classifying need no home."""
    assert "[efficientnet-lite0]: " in answers(tmp_path, "3", "nothing.png").stdout
    assert not exists(tmp_path)


@pytest.mark.parametrize("ends", ["interrupted", 130])
def test_a_stopped_training_leads_back_and_can_be_gone_on_with(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, ends: object
) -> None:
    """Whether Ctrl-C ends it, or it heeds that in its own way; the same answers are offered."""
    calls = trained(monkeypatch, ends=ends)
    done = answers(home.root, "1", folder, "m", "", "1", "", "", "")
    assert done.stdout.count("Choose 1 again, with the same answers, to go on where it was.") == 2
    assert calls[0] == calls[1]


@pytest.mark.parametrize("ends", [DataError("too few"), ValueError("a mistake\nof two lines"), 3])
def test_a_training_that_fails_leads_back(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, ends: object
) -> None:
    """In one line, if it said anything."""
    trained(monkeypatch, ends=ends)
    done = answers(home.root, "1", folder, "m", "")
    assert "Choose 1 again" not in done.stdout
    assert done.stderr.count("\n") == (0 if isinstance(ends, int) else 1)
    assert done.stdout.count(MENU) == 2


def test_what_a_command_does_to_signals_ends_with_it(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or Ctrl-C would be dead in the menu."""
    before = signal.getsignal(signal.SIGINT)
    trained(monkeypatch, ends="deaf")
    answers(home.root, "1", folder, "m", "")
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_and_ctrl_d_at_a_terminal(home: Home) -> None:
    """Ctrl-C leads from a question to the menu, and from there out of it, as does Ctrl-D."""
    for last in (b"\x04", b"\x03", b"4\n"):
        terminal, end = pty.openpty()
        # A terminal of its own, so that its keys become signals.
        command = ["setsid", "--ctty", sys.executable, "-m", "watcher", "--home", str(home.root), "menu"]
        with subprocess.Popen(command, stdin=end, stdout=end, stderr=end) as process:
            os.close(end)
            try:
                until(terminal, b"Your choice: ")
                press(terminal, b"3\n", b"of them: ")
                press(terminal, b"\x03", b"Your choice: ")
                press(terminal, last, b"Goodbye.")
                assert process.wait(homes.PATIENCE_SECONDS) == 0
            finally:
                process.kill()
        os.close(terminal)


def until(terminal: int, text: bytes, seconds: float = homes.PATIENCE_SECONDS) -> bool:
    """Reads what a terminal shows up to a text; false if nothing more comes."""
    shown = bytearray()
    while text not in shown:
        if not select.select([terminal], [], [], seconds)[0]:
            return False
        shown += os.read(terminal, 65536)
    return True


def press(terminal: int, keys: bytes, text: bytes) -> None:
    """As a person does who sees nothing happen: once more. Python hears no Ctrl-C in the moment before it waits for keys."""
    for _ in range(10):
        os.write(terminal, keys)
        if until(terminal, text, homes.PATIENCE_SECONDS / 10):
            return
    raise AssertionError(f"{keys!r} does not lead to {text!r}")


def test_a_closed_input_is_a_way_out(home: Home) -> None:
    """A menu that nobody can answer ends."""
    command = [sys.executable, "-m", "watcher", "--home", str(home.root), "menu"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, timeout=homes.PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"Goodbye.\n")
