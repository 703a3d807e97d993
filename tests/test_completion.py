"""A shell completes what one types: commands, options, and names of this home; tried in the shells themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import homes
import pytest

from watcher.home import Home, make_home, open_home

BIN = Path(sys.executable).parent
needs_watcher = pytest.mark.skipif(not (BIN / "watcher").exists(), reason="the command is not installed beside Python")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two models, one of them with three versions and odd labels, and two jobs; no more of them than is looked at."""
    make_home(tmp_path / "home")
    made = open_home(tmp_path / "home")
    for name, versions in {"malaria": (1, 2, 10), "mine": (1,)}.items():
        for version in versions:
            folder = made.models / name / str(version)
            folder.mkdir(parents=True)
            labels = ["giant panda", "lion"] if name == "malaria" else ["tabby", 7]
            (folder / "model.json").write_text(json.dumps({"labels": labels}))
        (made.models / name / "current").write_text(f"{versions[-1]}\n")
    (made.models / "broken").mkdir()
    for name in ("nightly.toml", "weekly.toml", ".hidden.toml", "notes.txt"):
        (made.jobs / name).write_text("")
    return made


def environment(home: Home) -> dict[str, str]:
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "WATCHER_HOME": str(home.root)}


def bash(home: Home, *words: str) -> list[str]:
    """What bash proposes for the last word."""
    script = homes.watcher("completion", "bash").stdout
    given = " ".join(f"'{word}'" for word in words)
    # compopt works only while a key is pressed.
    tried = f"compopt() {{ :; }}\n{script}\nCOMP_WORDS=({given})\nCOMP_CWORD={len(words) - 1}\n_watcher_completion watcher\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", tried + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True, text=True, check=True, env=environment(home),
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs_watcher
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("watcher", "do"), ["doctor"]),
        (("watcher", "models", "pro"), ["promote"]),
        (("watcher", "models", "promote", ""), ["malaria", "mine"]),
        (("watcher", "models", "promote", "malaria", "1"), ["1", "10"]),
        (("watcher", "results", "--label", "gi"), ["'giant panda'"]),
        (("watcher", "results", "--model", "mine", "--label", ""), ["tabby"]),
        (("watcher", "reprocess", "--version", "mine/"), ["mine/1"]),
        (("watcher", "jobs", "run", ""), ["nightly", "weekly"]),
        (("watcher", "results", "--form"), ["--format"]),
    ],
)
def test_bash_completes(home: Home, words: tuple[str, ...], proposed: list[str]) -> None:
    assert bash(home, *words) == proposed


@needs_watcher
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not here")
def test_zsh_takes_the_script_and_asks_for_the_same(home: Home) -> None:
    """Its completion needs a terminal, so what it would show is caught where it is handed over."""
    script = homes.watcher("completion", "zsh").stdout
    caught = 'compdef() { :; }; compadd() { print -l -- "$completions[@]"; }; _describe() { print -l -- ${(P)3}; }\n'
    tried = f"{caught}{script}\nwords=(watcher jobs run '')\nCURRENT=4\n_watcher_completion\n"
    done = subprocess.run(["zsh", "-f", "-c", tried], capture_output=True, text=True, check=True, env=environment(home))
    assert done.stdout.split() == ["nightly", "weekly"], done.stderr


@needs_watcher
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not here")
def test_fish_completes(home: Home, tmp_path: Path) -> None:
    script = tmp_path / "watcher.fish"
    script.write_text(homes.watcher("completion", "fish").stdout)
    tried = f"source {script}; complete --do-complete 'watcher jobs run '"
    done = subprocess.run(
        ["fish", "--no-config", "-c", tried], capture_output=True, text=True, check=True, env=environment(home)
    )
    assert done.stdout.split() == ["nightly", "weekly"], done.stderr


def proposed(words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What the program answers a shell, and at the end which heavy packages that took."""
    script = (
        "import sys\nfrom watcher.cli.main import main\n"
        "try:\n    main(prog_name='watcher')\nexcept SystemExit:\n    pass\n"
        "print(sorted({'tensorflow', 'keras', 'sqlalchemy', 'rich'} & sys.modules.keys()))"
    )
    asked = {"_WATCHER_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | asked | more
    )


@pytest.mark.parametrize("words", ["watcher models promote ", "watcher results --label ", "watcher jobs run "])
def test_nothing_heavy_is_loaded_for_a_key(home: Home, words: str) -> None:
    """A person who presses Tab does not wait for TensorFlow."""
    *found, heavy = proposed(words, WATCHER_HOME=str(home.root)).stdout.splitlines()
    assert heavy == "[]"
    assert found


@pytest.mark.parametrize("words", ["watcher models promote ", "watcher jobs run "])
def test_where_no_home_is_nothing_is_proposed_and_nothing_said(tmp_path: Path, words: str) -> None:
    """Nor where its settings are garbled: this is no time to complain."""
    for text in (None, "["):
        if text is not None:
            (tmp_path / "watcher.toml").write_text(text)
        done = proposed(words, WATCHER_HOME=str(tmp_path))
        assert (done.stdout.split(), done.stderr) == (["[]"], "")


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert homes.watcher("completion", "cmd").returncode == 2
