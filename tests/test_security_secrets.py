"""The password in the database's URL is told to the database and to nobody else."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner
from homes import drop, make, picture, watcher
from test_deploy import write_job

from watcher.cli.main import main
from watcher.home import Home

# As it stands in the settings, and what it means.
PASSWORDS = "s3cr%40t%2Fword", "s3cr@t/word", "s3cr"
UNREACHABLE = "postgresql+psycopg://me:{}@127.0.0.1:1/results"
WRONG = [
    '[database]\nurl = "mysql://me:{}@host/results"',
    '[database]\nurl = "postgresql://me:{}@host:port/results"',
    '[database]\nurl = "postgresql://me:x@{}@host/results"',
    '[database]\nurl = "postgresql+nosuch://me:{}@host/results"',
    '[database]\nurl = "postgresql://127.0.0.1:1/results?password={}&nosuch=1"',
    '[database]\nurl = "sqlite://me:{}@host/results"',
    '[database]\nurl = ["postgresql://me:{}@host/results"]',
    "[database]\nurl = postgresql://me:{}@host/results",
    '[database]\nurl = "postgresql://me:{}@host/results',
    '[database]\nurls = "postgresql://me:{}@host/results"',
    'database = "postgresql://me:{}@host/results"',
    '[[database]]\nurl = "postgresql://me:{}@host/results"',
]


def reveals(text: str) -> bool:
    return any(password in text for password in PASSWORDS)


def told(home: Path, *words: str) -> str:
    """All that a command says, and the traceback that --debug would add."""
    done = CliRunner().invoke(main, ["--debug", "--home", str(home), *words])
    plain = CliRunner().invoke(main, ["--home", str(home), *words])
    assert plain.exit_code == 1 or words == ("status",)
    return done.output + plain.output + "".join(traceback.format_exception(done.exception))


@pytest.mark.parametrize("settings", WRONG)
def test_a_wrong_setting_is_not_repeated(tmp_path: Path, settings: str) -> None:
    """Nor in a traceback, which somebody may send to us."""
    (tmp_path / "watcher.toml").write_text(settings.format(PASSWORDS[0]))
    said = told(tmp_path, "results")
    assert "watcher: " in said and "Traceback" in said
    assert not reveals(said), said


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """Whose database nobody answers for."""
    made = make(tmp_path / "home", tiny_home_models, database={"url": UNREACHABLE.format(PASSWORDS[0])})
    drop(made.inbox, "a.png", picture())
    write_job(made)
    return made


@pytest.mark.parametrize("words", [["status"], ["results"], ["verify"], ["jobs", "history"]], ids=" ".join)
def test_a_server_that_does_not_answer_is_told_of_without_it(home: Home, words: list[str]) -> None:
    """On the terminal and in tracebacks."""
    said = told(home.root, *words)
    assert "127.0.0.1" in said
    assert not reveals(said), said


@pytest.mark.parametrize("words", [["run", "--once"], ["jobs", "run", "tones"]], ids=" ".join)
def test_nor_is_it_in_any_log(home: Home, words: list[str]) -> None:
    """Of the daemon or of a run, or in any file of the home but the settings."""
    done = watcher("--debug", "--home", home.root, *words, env=os.environ | {"PGCONNECT_TIMEOUT": "2"})
    assert "127.0.0.1" in done.stderr
    assert not reveals(done.stdout + done.stderr), done.stderr
    for path in home.root.rglob("*"):
        if path.is_file() and path.name != "watcher.toml":
            assert not reveals(path.read_bytes().decode(errors="replace")), path


def test_the_settings_of_a_run_are_those_of_its_job_alone(tmp_path: Path, tiny_home_models: Path) -> None:
    """They are kept in the database, which others read."""
    from watcher.jobs.files import JobFile

    assert not {"database", "url"} & set(JobFile.model_fields)


def test_settings_are_shown_without_it() -> None:
    """Where a fault's report prints a home, as tests and debuggers do."""
    from watcher.settings import DatabaseSettings, Settings

    settings = Settings(database=DatabaseSettings(url=UNREACHABLE.format(PASSWORDS[0])))
    assert not reveals(repr(settings) + str(settings))
