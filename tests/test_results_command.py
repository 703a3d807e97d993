"""`watcher results`: options that make no sense are told so, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import stocked
from click.testing import CliRunner

from watcher.cli.main import main
from watcher.home import make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--limit", "99999999999999999999", "limit"),
        ("--since", "yesterday", "write a time like"),
        ("--until", "0001-01-01T00:00+14:00", "write a time like"),
        ("--min-score", "nan", "between 0 and 1"),
        ("--max-score", "2", "between 0 and 1"),
        ("--state", "lost", "one of done, failed"),
    ],
)
def test_an_option_that_makes_no_sense_is_wrong_usage(home: Path, option: str, value: str, said: str) -> None:
    """Exit code 2, and the message names what would be right."""
    done = CliRunner().invoke(main, ["--home", str(home), "results", option, value])
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--group", "--label", "--model"])
def test_a_name_that_is_not_utf_8_can_be_asked_for(home: Path, option: str) -> None:
    """It is looked for in the clean form that the results have."""
    done = CliRunner().invoke(main, ["--home", str(home), "results", option, "caf\udce9", "--format", "json"])
    assert done.exit_code == 0
    assert done.stdout == "[]\n"


def test_a_table_marks_what_a_person_should_look_at(tmp_path: Path) -> None:
    """In a short column, which is there only if anything needs it; programs get `needs_review`."""
    home = stocked.make(tmp_path / "home")
    stocked.add_failed(home, "bad.png")
    assert "review" not in CliRunner().invoke(main, ["--home", str(home.root), "results"]).stdout
    stocked.add(home, "a.png", stocked.encoded(1))
    heading, _, *lines = CliRunner().invoke(main, ["--home", str(home.root), "results"]).stdout.strip().splitlines()
    assert " review " in heading
    assert ["yes" in line.split() for line in lines] == ["a.png" in line for line in lines]
    found = CliRunner().invoke(main, ["--home", str(home.root), "results", "--format", "json"]).stdout
    assert '"needs_review": 1' in found


def test_a_mistake_of_ours_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is shown a traceback who has not asked for it."""

    def stumble(*_: object) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr("watcher.cli.results.the_home", stumble)
    done = CliRunner().invoke(main, ["--home", str(home), "results"])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "watcher: unexpected fault, RuntimeError: out of memory (--debug before the command shows more)"
    ]
    assert isinstance(CliRunner().invoke(main, ["--debug", "results"]).exception, RuntimeError)
