"""`watcher reprocess`: what a bad version has classified is classified anew, each picture once, whatever crashes."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import homes
import pytest
from reprocessing import NOON, classified, run, said, states, with_tables
from sqlalchemy import text
from versions import NEXT, two_versions

from watcher import locks
from watcher.errors import ModelError
from watcher.home import Home
from watcher.models.registry import Registry
from watcher.results import Database, State, superseding
from watcher.results.superseding import Maker, Outdated
from watcher.service.note import DaemonNote, Working
from watcher.service.reprocess import Which, reprocess

BAD = Which(model="tiny", version=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Path:
    """Two versions of `tiny`, of which the first, right one is current."""
    return two_versions(tmp_path_factory.mktemp("reprocess") / "models", tiny_home_models).root


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Home:
    return with_tables(homes.make(tmp_path / "home", models))


def copied(models: Path, folder: Path) -> Registry:
    """Models of a test's own, to choose from."""
    return Registry(shutil.copytree(models, folder / "models"))


def said_meanwhile(home: Home) -> str:
    """By a process of its own, as the daemon's log would get in between."""
    done = homes.watcher("reprocess", "--version", "tiny/2", home=home.root)
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything(home: Home) -> tuple[list[object], dict[str, bytes]]:
    """All rows, and all files of pictures."""
    folders = (home.inbox, home.outbox, home.done)
    return [*homes.rows(home)], {
        str(folder / path): (folder / path).read_bytes() for folder in folders for path in homes.paths(folder)
    }


def test_what_a_bad_version_said_is_said_anew_by_the_one_before(tmp_path: Path, models: Path) -> None:
    """Same names, one copy each, also for a second picture of one content; the old results are history."""
    registry = copied(models, tmp_path)
    home = homes.make(tmp_path / "home", registry.root)
    registry.promote("tiny", 2, NOON)
    originals = {"s/red.png": "red", "s/blue.png": "blue", "again.png": "red"}
    for path, colour in originals.items():
        homes.drop(home.inbox, path, homes.picture(colour))
    assert {row.path: row.label for row in homes.run_once(home)} == {
        path: NEXT[colour] for path, colour in originals.items()
    }
    registry.rollback("tiny", NOON)
    assert said(home, "--version", "tiny/2") == "3 pictures are in line again; `watcher run` takes them up.\n"
    assert homes.paths(home.inbox) == set(originals)
    assert homes.paths(home.outbox) == homes.paths(home.done) == set()
    rows = homes.run_once(home)
    now = {row.path: row for row in rows if row.state is not State.SUPERSEDED}
    assert {path: (row.label, row.model_version) for path, row in now.items()} == {
        path: (colour, 1) for path, colour in originals.items()
    }
    assert sorted(row.state for row in now.values()) == [State.DONE, State.DONE, State.DUPLICATE]
    assert homes.paths(home.outbox) == homes.paths(home.done) == set(originals)
    assert all((home.done / path).read_bytes() == homes.picture(colour) for path, colour in originals.items())
    old = [row for row in rows if row.state is State.SUPERSEDED]
    day = datetime.now(UTC).date()
    assert {(row.label == NEXT[originals[row.path]], row.outbox_path, row.reason) for row in old} == {
        (True, None, f"put in line again on {day}: made by tiny/2")
    }
    assert said(home, "--version", "tiny/2") == "Nothing to do: no picture has a result of tiny/2.\n"


def test_kept_originals_are_taken_again(tmp_path: Path, models: Path) -> None:
    """Where they stand, by a daemon that had passed them over, whatever bytes their names are made of."""
    registry = copied(models, tmp_path)
    home = homes.make(tmp_path / "home", registry.root, intake={"originals": "keep"})
    registry.promote("tiny", 2, NOON)
    for seed, name in enumerate((b"s/a.png", b"caf\xe9/b.png", b"100%/c.png")):
        homes.drop(home.inbox, name, homes.picture("red", seed))
    before = homes.paths(home.inbox)
    assert len(homes.run_once(home)) == 3
    registry.rollback("tiny", NOON)
    with homes.daemon_thread(home):
        homes.wait_for(lambda: locks.holder(home.lock), "the daemon runs")
        assert said_meanwhile(home) == "3 pictures are in line again; the daemon takes them up.\n"
        homes.wait_for(lambda: sum(row.state is State.DONE for row in homes.rows(home)) == 3, "they are done again")
    assert sorted((row.model_version, row.state, row.label) for row in homes.rows(home)) == [
        *[(1, State.DONE, "red")] * 3,
        *[(2, State.SUPERSEDED, "green")] * 3,
    ]
    assert homes.paths(home.inbox) == before
    assert homes.paths(home.outbox) == {"s/a.png", "caf%E9/b.png", "100%/c.png"}
    assert len(homes.run_once(home)) == 6


def test_a_running_daemon_has_to_use_another_version_first(tmp_path: Path, models: Path) -> None:
    """Given right after a rollback, the command waits, or the same version would say the same again."""
    registry = copied(models, tmp_path)
    registry.promote("tiny", 2, NOON)
    home = homes.make(tmp_path / "home", registry.root)
    with homes.daemon_thread(home):
        for number in range(20):
            homes.drop(home.inbox, f"{number}.png", homes.picture("red", number))
        homes.wait_for(lambda: len(homes.paths(home.done)) == 20, "the bad version has classified them")
        registry.rollback("tiny", NOON)
        assert said_meanwhile(home) == "20 pictures are in line again; the daemon takes them up.\n"
        homes.wait_for(lambda: len(homes.rows(home)) == 40, "they are classified again")
    assert {(row.model_version, row.state) for row in homes.rows(home)} == {(1, State.DONE), (2, State.SUPERSEDED)}


class TestWhich:
    def test_other_versions_and_groups_are_left_alone(self, home: Home) -> None:
        """`--group` means what it means to `results`: the group and those below it."""
        classified(home, "slide/a.png", version=1)
        classified(home, "slide/b.png", "slide/deep/c.png", "slide-2/d.png", "e.png")
        assert said(home, "--version", "tiny/2", "--group", "slide").startswith("2 pictures are in line again")
        assert homes.paths(home.inbox) == {"slide/b.png", "slide/deep/c.png"}
        assert homes.paths(home.outbox) == homes.paths(home.done) == {"slide/a.png", "slide-2/d.png", "e.png"}

    def test_before_means_every_lower_version(self, tmp_path: Path, models: Path) -> None:
        """For when a new model is better, not an old one bad; it has to be in use."""
        registry = copied(models, tmp_path)
        home = with_tables(homes.make(tmp_path / "home", registry.root))
        for version in (1, 2, 3):
            classified(home, f"{version}.png", version=version)
        result = run(home, "--before", "tiny/2")
        assert (result.exit_code, homes.paths(home.inbox)) == (1, set())
        assert "tiny/1 is current, and itself before tiny/2" in result.output
        registry.promote("tiny", 2, NOON)
        assert said(home, "--before", "tiny/2").startswith("1 picture is in line again")
        assert homes.paths(home.inbox) == {"1.png"}
        assert (
            said(home, "--before", "tiny/2") == "Nothing to do: no picture has a result of a version before tiny/2.\n"
        )

    def test_more_pictures_than_one_transaction_takes_all_go(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """None is passed over between two chunks, though all were finished at the same moment."""
        monkeypatch.setattr(superseding, "CHUNK", 3)
        paths = {f"{number}.png" for number in range(10)}
        classified(home, *paths)
        assert said(home, "--version", "tiny/2").startswith("10 pictures")
        assert homes.paths(home.inbox) == paths

    def test_a_dry_run_changes_nothing(self, home: Home) -> None:
        """And says the number that the real one then says."""
        classified(home, "a.png", "b.png")
        before = everything(home)
        assert said(home, "--version", "tiny/2", "--dry-run") == "2 pictures would be put in line again.\n"
        assert everything(home) == before
        assert said(home, "--version", "tiny/2") == "2 pictures are in line again; `watcher run` takes them up.\n"

    def test_the_rows_are_found_by_an_index_in_its_order(self, home: Home) -> None:
        """However many pictures there are, a chunk costs no more than its rows."""
        last = Outdated(
            id=7, claim="c", path="a", size=1, state=State.DONE, finished_at=NOON,
            outbox_path=None, original_path=None, kept=None,
        )  # fmt: skip
        for after in (None, last):
            with Database.open(home.settings.database.url, home.root) as database, database.reading() as connection:
                statement = superseding.query(Maker(id=1, version=2), None, 9, after)
                literal = statement.compile(connection, compile_kwargs={"literal_binds": True})
                plan = connection.execute(text(f"EXPLAIN QUERY PLAN {literal}")).all()
            assert len(plan) == 1
            assert "INDEX ix_images_model_version_id_finished_at" in plan[0].detail


class TestRefusals:
    @pytest.mark.parametrize(
        ("args", "code", "reason"),
        [
            (["--version", "tiny/1"], 1, "tiny/1 is current and would only say the same again: go back first"),
            (["--version", "nobody/1"], 1, "there is no model nobody"),
            ([], 2, "say either --version NAME/N or --before NAME/N"),
            (["--version", "tiny/2", "--before", "tiny/2"], 2, "say either"),
            (["--version", "tiny"], 2, "--version tiny: write a model and the number of a version, such as malaria/4"),
            (["--before", "tiny/0"], 2, "--before tiny/0: write"),
            (["--version", "tiny/²"], 2, "write a model and the number"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, home: Home, args: list[str], code: int, reason: str) -> None:
        """In one line, and nothing is touched."""
        classified(home, "a.png", version=1)
        before = everything(home)
        result = run(home, *args)
        assert (result.exit_code, len(result.output.splitlines())) == (code, 1)
        assert reason in result.output
        assert everything(home) == before

    def test_a_daemon_that_cannot_change_its_version_is_not_waited_for_without_end(self, home: Home) -> None:
        """What a killed daemon has noted is no reason to wait."""
        classified(home, "a.png")
        DaemonNote(home.root).use([Working("tiny", 2, "graph")])
        with (
            locks.held(home.lock, NOON),
            pytest.raises(ModelError, match="the daemon still uses tiny/2, though tiny/1"),
        ):
            reprocess(home, BAD, NOON, patience=0.2)
        assert states(home) == [("a.png", 2, "done")]
        assert reprocess(home, BAD, NOON, patience=0).in_line == 1

    def test_two_at_a_time_are_refused(self, home: Home) -> None:
        """The second could take the first one's half-done work for its own."""
        classified(home, "a.png")
        with locks.held(home.root / ".watcher.reprocess", NOON):
            result = run(home, "--version", "tiny/2")
        assert result.exit_code == 1
        assert f"already, by process {os.getpid()} on" in result.output
        assert homes.paths(home.inbox) == set()

    def test_an_inbox_whose_share_is_away_is_not_filled(self, home: Home) -> None:
        """Pictures that were put into an empty mount point would be gone when the share is back."""
        classified(home, "a.png")
        (home.inbox / ".watcher").rmdir()
        result = run(home, "--version", "tiny/2")
        assert result.exit_code == 1
        assert "is its share mounted?" in result.output
        assert states(home) == [("a.png", 2, "done")]

    def test_a_home_that_never_ran_has_nothing_to_do(self, tmp_path: Path, models: Path) -> None:
        """It has no database, which is no fault, and gets none."""
        home = homes.make(tmp_path / "new", models)
        assert said(home, "--version", "tiny/2") == "Nothing to do: no picture has a result of tiny/2.\n"
        assert not (home.root / "watcher.db").exists()
