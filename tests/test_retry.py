"""Failed pictures are tried again: by command or by moving them, never lost and never doubled."""

from __future__ import annotations

import re
from pathlib import Path

import homes
import pytest
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.home import Home
from watcher.results import State
from watcher.service.status import status

BROKEN = homes.picture("red", 5)[:60]


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """Three pictures have failed, one is done."""
    home = homes.make(tmp_path, tiny_home_models)
    for path in ("a.png", "s/b.png", "s/t/c.png"):
        homes.drop(home.inbox, path, BROKEN + path.encode())
    homes.drop(home.inbox, "d.png", homes.picture())
    homes.run_once(home)
    return home


def retry(home: Home, *args: str | Path) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "retry", *map(str, args)])


def waiting(home: Home) -> set[str]:
    return homes.paths(home.inbox)


@pytest.mark.parametrize("name", ["b.png", "s/b.png", "failed/s/b.png"])
def test_by_name_or_path(home: Home, name: str) -> None:
    """That one and no other."""
    done = retry(home, name)
    assert (done.exit_code, done.output) == (0, "1 picture is in line again; `watcher run` takes it up.\n")
    assert waiting(home) == {"s/b.png"}
    row = next(row for row in homes.rows(home) if row.path == "s/b.png")
    assert row.state is State.SUPERSEDED
    assert re.fullmatch(r"\S.+; tried again on \d{4}-\d\d-\d\d", row.reason or "")


def test_by_the_path_from_where_one_stands(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell completes it."""
    monkeypatch.chdir(home.failed / "s")
    assert retry(home, "t/c.png").exit_code == 0
    assert retry(home, home.failed / "s/b.png").exit_code == 0
    assert waiting(home) == {"s/t/c.png", "s/b.png"}


def test_all_of_them_or_of_a_group(home: Home) -> None:
    """What was put in line is not put there twice."""
    assert retry(home, "--all", "--group", "s").output.startswith("2 pictures are in line again")
    assert waiting(home) == {"s/b.png", "s/t/c.png"}
    assert retry(home, "--all").output.startswith("1 picture is")
    assert retry(home, "--all").output == "Nothing to do: no failed picture is there.\n"


def test_one_that_fails_again_has_one_note_and_one_row_that_counts(home: Home) -> None:
    """And one that was mended is done."""
    retry(home, "--all")
    (home.inbox / "a.png").write_bytes(homes.picture("blue", 3))
    rows = homes.run_once(home)
    assert [row.state for row in rows if row.path == "a.png"] == [State.SUPERSEDED, State.DONE]
    assert [row.state for row in rows if row.path == "s/b.png"] == [State.SUPERSEDED, State.FAILED]
    assert homes.paths(home.failed) == {
        f"{path}{end}" for path in ("s/b.png", "s/t/c.png") for end in ("", ".reason.txt")
    }
    counts = status(home)
    assert (counts.failed, counts.superseded, counts.done, counts.waiting) == (2, 3, 2, 0)


def test_names_that_nobody_has_are_told(home: Home) -> None:
    """The others are put in line all the same; one that is done has not failed."""
    done = retry(home, "a.png", "d.png", "x\x1b.png")
    assert done.exit_code == 1
    assert "1 picture is in line again" in done.output
    assert "no failed picture is called d.png, x%1B.png; `watcher results --state failed` lists them" in done.output
    assert waiting(home) == {"a.png"}


def test_what_a_person_has_moved_back_is_not_doubled(home: Home) -> None:
    """Or has deleted."""
    (home.failed / "a.png").rename(home.inbox / "a.png")
    (home.failed / "s/b.png").unlink()
    assert retry(home, "--all").output.startswith("1 picture is")
    assert waiting(home) == {"a.png", "s/t/c.png"}


@pytest.mark.parametrize("args", [("a.png",), ("--all",)])
def test_one_that_was_mended_where_it_stands(home: Home, args: tuple[str, ...]) -> None:
    """A good copy of another size lies in its place."""
    (home.failed / "a.png").write_bytes(homes.picture("blue", 3))
    assert retry(home, *args).exit_code == 0
    rows = homes.run_once(home)
    assert [row.state for row in rows if row.path == "a.png"] == [State.SUPERSEDED, State.DONE]
    assert (home.done / "a.png").read_bytes() == homes.picture("blue", 3)


@pytest.mark.parametrize("args", [(), ("a.png", "--all"), ("a.png", "--group", "s")])
def test_a_call_without_sense_is_wrong_usage(home: Home, args: tuple[str, ...]) -> None:
    """And changes nothing."""
    done = retry(home, *args)
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert waiting(home) == set()


def test_without_results_there_is_nothing_to_try(tmp_path: Path, tiny_home_models: Path) -> None:
    """A new home says so."""
    home = homes.make(tmp_path, tiny_home_models)
    (home.inbox / ".watcher").mkdir()
    assert retry(home, "--all").exit_code == 0
    assert retry(home, "a.png").exit_code == 1


def test_an_inbox_that_is_away_loses_nothing(home: Home) -> None:
    """Its share is not mounted."""
    home.inbox.rename(home.root / "away")
    home.inbox.mkdir()
    done = retry(home, "--all")
    assert (done.exit_code, "is its share mounted?" in done.output) == (1, True)
    assert "a.png" in homes.paths(home.failed)
