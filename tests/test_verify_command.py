"""`watcher verify` as people and scripts call it, also beside a daemon at work."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import homes
import pytest
from balancing import copied, make_template
from click.testing import CliRunner, Result

from watcher.books.verify import LOOKS, counts, verify
from watcher.cli.main import main
from watcher.home import Home

COLUMNS = ["kind", "path", "row", "sentence", "repairable"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("command") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


def run(home: Home, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "verify", *args])


def test_the_real_command_mends_and_says_so(home: Home) -> None:
    """Its exit code is for scripts: 1 where anything does not balance, 0 once all does."""
    (home.outbox / "b.jpg").unlink()
    first = homes.watcher("verify", home=home.root)
    assert (first.returncode, first.stderr) == (1, "")
    assert "is not in outbox/b.jpg: --repair makes it anew. If it was taken out on purpose, " in first.stdout
    assert first.stdout.endswith("1 thing does not balance; `watcher verify --repair` mends 1.\n")
    second = homes.watcher("verify", "--repair", home=home.root)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout.startswith("Mended: The annotated copy of row ")
    assert second.stdout.endswith("All balances.\n")
    assert (home.outbox / "b.jpg").is_file()


def test_what_balances_is_counted(home: Home) -> None:
    """Each state on a line of its own."""
    result = run(home)
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        *(["waiting", "0"], ["claimed", "0"], ["done", "2"], ["failed", "1"], ["duplicate", "1"]),
        *(["vanished", "0"], ["superseded", "0"], ["All", "balances."]),
    ]


def test_what_cannot_be_mended_fails_even_then(home: Home) -> None:
    """A script must not take it for good."""
    (home.done / "b.jpg").unlink()
    for args in ([], ["--repair"]):
        result = run(home, *args)
        assert result.exit_code == 1
        assert result.output.endswith("1 thing does not balance.\n")


def test_json_is_one_object(home: Home) -> None:
    """With the counts, what does not balance and what was mended."""
    (home.outbox / "b.jpg").unlink()
    (home.done / "s/a.png").unlink()
    result = run(home, "--format", "json")
    said = json.loads(result.output)
    assert (result.exit_code, said["balances"], said["counts"]["done"]) == (1, False, 2)
    assert {finding["kind"] for finding in said["findings"]} == {"copy_missing", "original_missing"}
    assert all(list(finding) == COLUMNS for finding in said["findings"])
    result = run(home, "--repair", "--format", "json")
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert [finding["kind"] for finding in said["findings"]] == ["original_missing"]
    assert [(item["kind"], item["fault"]) for item in said["mended"]] == [("copy_missing", None)]


def test_csv_has_a_line_for_each_finding(home: Home) -> None:
    """And a head, even where there is none."""
    assert run(home, "--format", "csv").output == ",".join(COLUMNS) + "\n"
    (home.outbox / "b.jpg").unlink()
    rows = list(csv.DictReader(io.StringIO(run(home, "--format", "csv").output)))
    assert [(row["kind"], row["path"]) for row in rows] == [("copy_missing", "outbox/b.jpg")]


def test_contents_are_compared_if_asked(home: Home) -> None:
    """It takes as long as reading all of them."""
    data = (home.done / "b.jpg").read_bytes()
    (home.done / "b.jpg").write_bytes(data[:-1] + b"x")
    assert [run(home, *args).exit_code for args in ([], ["--contents"])] == [0, 1]


def test_a_home_that_was_never_run_balances(tmp_path: Path, tiny_home_models: Path) -> None:
    """With a repair, too; it has nothing to do."""
    home = homes.make(tmp_path, tiny_home_models)
    assert [run(home, *args).exit_code for args in ([], ["--repair"])] == [0, 0]


def test_a_repair_refuses_beside_a_daemon(home: Home) -> None:
    """In one line that says what to do."""
    with homes.daemon_process(home):
        done = homes.watcher("verify", "--repair", home=home.root)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is already being watched, by process" in done.stderr
    assert done.stderr.endswith("stop that one first\n")


def test_beside_a_busy_daemon_it_is_silent(tmp_path: Path, tiny_home_models: Path) -> None:
    """Copies without rows, rows without originals: what is under way is no finding, however often one looks."""
    home = homes.make(tmp_path, tiny_home_models, inference={"batch_size": 4})
    homes.run_once(home)
    looks = 0
    with homes.daemon_thread(home):
        for seed in range(240):
            homes.drop(home.inbox, f"{seed % 7}/{seed}.png", homes.picture("red", seed))
        while counts(home)["done"] != 240:
            assert list(verify(home, pause=lambda seconds: None)) == []
            looks += 1
    assert looks > 3
    assert list(verify(home)) == []


def test_beside_a_daemon_what_is_wrong_is_still_found(home: Home) -> None:
    """After it was looked at again, at leisure."""
    (home.outbox / "b.jpg").unlink()
    pauses: list[float] = []
    with homes.daemon_thread(home):
        homes.wait_for(lambda: _held(home), "the daemon has the lock")
        [finding] = verify(home, pause=pauses.append)
    assert finding.path == "outbox/b.jpg"
    assert len(pauses) == LOOKS


def test_what_mends_itself_meanwhile_is_no_finding(home: Home) -> None:
    """It was wrong at the first look, and not at the next."""
    os.rename(home.outbox / "b.jpg", home.root / "b.jpg")

    def pause(_: float) -> None:
        if (home.root / "b.jpg").exists():
            os.rename(home.root / "b.jpg", home.outbox / "b.jpg")

    with homes.daemon_thread(home):
        homes.wait_for(lambda: _held(home), "the daemon has the lock")
        assert list(verify(home, pause=pause)) == []
    assert (home.outbox / "b.jpg").exists()


def _held(home: Home) -> bool:
    from watcher.service.lock import holder

    return holder(home.lock) is not None
