"""What the documentation says is true of the program."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from watcher.cli.main import COMMANDS, main
from watcher.jobs.files import JobFile, read_job

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[tuple[str, click.Command]]:
    """Every command and sub-command, by its full name."""
    context = click.Context(main)
    found = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_has_an_example(name: str, command: click.Command) -> None:
    """A person who asks a command for help sees how it is called."""
    assert re.search(rf"Example: `watcher .*\b{name}\b", " ".join((command.help or "").split()))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    """No command is left for people to find by chance."""
    assert re.search(rf"^\| `{name}\b", README, re.MULTILINE)


def test_the_readme_names_no_command_that_is_not_there() -> None:
    """What the table of commands promises can be run."""
    table = README[README.index("| command | does |") :].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
    assert set(named) == set(COMMANDS)


def test_the_readme_s_job_file_is_right(tmp_path: Path) -> None:
    """Whoever copies it has a job that is due."""
    (example,) = re.findall(r"```toml\n(model = .*?)```", README, re.DOTALL)
    (tmp_path / "malaria.toml").write_text(example, "utf-8")
    job = read_job(tmp_path / "malaria.toml")
    assert job.timing() is not None
    assert job.gate.floors


def test_the_example_job_shows_every_key_of_a_schedule() -> None:
    """With its default, where nothing else is said of it."""
    path = ROOT / "jobs" / "galaxies.toml"
    shown, job = tomllib.loads(path.read_text("utf-8")), read_job(path)
    assert set(JobFile.model_fields) <= set(shown)
    assert set(type(job.gate).model_fields) <= set(shown["gate"])
    for name in set(JobFile.model_fields) - {"model", "schedule", "timezone", "data", "gate", "training"}:
        assert getattr(job, name) == JobFile.model_fields[name].default, name


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    """Whoever follows the README runs what decides whether a change lands."""
    command = next(line for line in README.splitlines() if line.endswith("-m pytest"))
    assert command in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
