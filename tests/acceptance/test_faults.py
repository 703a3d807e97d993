"""What goes wrong on the command line: one clear line, an exit code, no traceback unless it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import homes
import pytest

COMMANDS = [
    ["init"], ["run"], ["demo"], ["classify"], ["results"], ["status"], ["models"],
    ["models", "list"], ["models", "show"], ["models", "fetch"], ["models", "import"],
]  # fmt: skip
HEAVY = ("tensorflow", "keras")
WITH_MODULES = """
import sys
from watcher.cli.main import main
try:
    main(sys.argv[1:], prog_name="watcher")
finally:
    print("MODULES", *sys.modules)
"""


def run_with_modules(*args: str | Path) -> tuple[str, set[str]]:
    """What a command says, and what it has imported by its end, at the top of each package."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_MODULES, *map(str, args)], capture_output=True, text=True, check=True
    )
    said, _, modules = done.stdout.rpartition("MODULES")
    return said, {name.partition(".")[0] for name in modules.split()}


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_shows_an_example_and_needs_no_tensorflow(command: list[str]) -> None:
    """The example is of that command; nor is anything else imported that takes long."""
    said, loaded = run_with_modules(*command, "--help")
    _, _, examples = " ".join(said.replace("--home /srv/pictures ", "").split()).partition(" Example")
    assert " ".join(["watcher", *command])[:31] in examples
    assert not loaded & {*HEAVY, "sqlalchemy", "PIL", "numpy", "matplotlib"}


@pytest.mark.parametrize("command", [["results"], ["status"], ["models", "list"], ["init"]], ids=" ".join)
def test_questions_need_no_tensorflow(command: list[str], tmp_path: Path, tiny_home_models: Path) -> None:
    """They are answered from the disk and the database."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.run_once(home)
    _, loaded = run_with_modules("--home", home.root, *command)
    assert "watcher" in loaded
    assert not loaded & {*HEAVY, "alembic"}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["results"], 1, "no Watcher home in {home}: make one with `watcher init`"),
        (["run"], 1, "no Watcher home in {home}"),
        (["status"], 1, "no Watcher home in {home}"),
        (["models", "list"], 1, "no Watcher home in {home}"),
        (["classify", "{home}", "--model", "none"], 1, "there are no pictures in {home}"),
    ],
)
def test_a_missing_home_is_one_line(tmp_path: Path, args: list[str], code: int, said: str) -> None:
    """It says what to do."""
    done = homes.watcher(*(arg.format(home=tmp_path) for arg in args), home=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("watcher: " + said.format(home=tmp_path))


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["results", "--state", "finished"], 2, "there is no state finished: it is one of done, failed,"),
        (["results", "--since", "yesterday"], 2, "--since yesterday: write a time like 2026-11-23"),
        (["models", "show", "none"], 1, "there is no model none"),
        (["models", "import", "BAD NAME", "{home}"], 2, "'BAD NAME' cannot be a model's name"),
        (["models", "import", "good", "{home}"], 1, "{home} is a folder without model.json"),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, tiny_home_models: Path, args: list[str], code: int, said: str) -> None:
    """1 where it could not be done, 2 where it makes no sense."""
    homes.make(tmp_path, tiny_home_models)
    done = homes.watcher(*(arg.format(home=tmp_path) for arg in args), home=tmp_path)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    assert line.startswith("watcher: " + said.format(home=tmp_path))


@pytest.mark.parametrize("args", [["nonsense"], ["results", "--nonsense"], ["classify"], ["results", "--limit", "-1"]])
def test_wrong_usage_is_told_without_a_traceback(args: list[str]) -> None:
    """With exit code 2."""
    done = homes.watcher(*args)
    assert done.returncode == 2
    assert "Usage: " in done.stderr and "Traceback" not in done.stderr


def test_every_fault_of_the_settings_is_told_at_once(tmp_path: Path) -> None:
    """Each on its line, with file and line number."""
    (tmp_path / "watcher.toml").write_text('[intake]\nsettle_seconds = "2"\nwach = "auto"\n')
    done = homes.watcher("status", home=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.partition(f"{tmp_path}/watcher.toml:")[2][:2] for line in lines] == ["2:", "3:"]
    assert "did you mean `watch`?" in lines[1]


def test_a_traceback_comes_only_when_it_is_asked_for(tmp_path: Path) -> None:
    """For whoever has to find a mistake of ours."""
    done = homes.watcher("--debug", "--home", tmp_path, "results")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "HomeError: no Watcher home" in done.stderr


def test_a_fault_of_the_system_is_one_line(tmp_path: Path, tiny_home_models: Path) -> None:
    """The file, and what the system says of it; with --debug, the traceback."""
    home = homes.make(tmp_path, tiny_home_models)
    home.lock.mkdir()
    done = homes.watcher("run", home=home.root)
    assert done.returncode == 1
    assert done.stderr == f"watcher: {home.lock}: Is a directory\n"
    assert "Traceback" in homes.watcher("--debug", "run", home=home.root).stderr


def test_a_home_that_has_not_run_has_no_results(tmp_path: Path, tiny_home_models: Path) -> None:
    """That is no fault: a script gets an empty list, and a person hears why."""
    home = homes.make(tmp_path, tiny_home_models)
    done = homes.watcher("results", "--format", "json", home=home.root)
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr.startswith(f"watcher: there are no results at {home.root}/watcher.db yet")


def test_a_reader_who_has_had_enough_gets_no_traceback(tmp_path: Path, tiny_home_models: Path) -> None:
    """`watcher results | head -1` ends quietly."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    homes.run_once(home)
    command = f"{sys.executable} -m watcher --home {home.root} results --format json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_without_tensorflow_one_line_says_what_to_install(tmp_path: Path, tiny_home_models: Path) -> None:
    """Before anything is made or taken."""
    home = homes.make(tmp_path / "home", tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    (tmp_path / "block.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return None\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'tensorflow' else real(name, *a)\n"
        "from watcher.cli.main import main\n"
        "main(prog_name='watcher')\n"
    )
    for args in (["run", "--once"], ["classify", str(home.inbox)], ["demo"]):
        command = [sys.executable, tmp_path / "block.py", "--home", home.root, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr == (
            "watcher: no TensorFlow here: install it with `pip install 'watcher[cpu]'`, "
            "or `pip install 'watcher[gpu]'` for an NVIDIA GPU\n"
        )
    assert homes.paths(home.inbox) == {"a.png"}
