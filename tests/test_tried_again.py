"""A failed picture that a person moves back into the inbox: its old row counts no more, as after `watcher retry`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import homes
import pytest
from balancing import change, found, value

from watcher.home import Home
from watcher.intake.claims import ClaimFolder
from watcher.results import Database, Finished, State
from watcher.service.identity import identity
from watcher.service.shares import NAME, Shares
from watcher.service.tried_again import TriedAgain

BAD = b"no picture at all"


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """One picture has failed."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "s/a.png", BAD)
    homes.run_once(home)
    return home


def states(home: Home) -> list[State]:
    return [row.state for row in homes.rows(home)]


@pytest.mark.parametrize("under", ["s/a.png", "b.png", "t/u/a.png"])
def test_moved_back_by_hand_it_is_superseded_as_by_retry(home: Home, under: str) -> None:
    """Under whatever name; the row says so, names no file, and all balances."""
    (home.inbox / under).parent.mkdir(parents=True, exist_ok=True)
    os.rename(home.failed / "s/a.png", home.inbox / under)
    rows = homes.run_once(home)
    assert [row.state for row in rows] == [State.SUPERSEDED, State.FAILED]
    before, _, again = (rows[0].reason or "").partition("; ")
    assert before == rows[1].reason and again.startswith("tried again on 20")
    assert value(home, f"SELECT original_path FROM images WHERE id = {rows[0].id}") is None
    assert found(home) == []


def test_dropped_again_beside_the_failed_one_both_have_failed(home: Home) -> None:
    """Its file still stands: nobody has tried that one again."""
    homes.drop(home.inbox, "s/a.png", BAD)
    homes.run_once(home)
    assert states(home) == [State.FAILED, State.FAILED]
    assert len(homes.paths(home.failed)) == 4


def test_two_of_one_content_in_one_batch_leave_each_other_alone(home: Home) -> None:
    """Their rows are there before their files are in failed/; a repeated record must not take them for gone."""
    os.rename(home.failed / "s/a.png", home.inbox / "1.png")
    homes.drop(home.inbox, "2.png", BAD)
    homes.run_once(home)
    assert states(home) == [State.SUPERSEDED, State.FAILED, State.FAILED]


def test_one_that_is_done_at_last(tmp_path: Path, tiny_home_models: Path) -> None:
    """The cause is mended: here, the settings let larger ones in."""
    small = homes.make(tmp_path, tiny_home_models, intake={"max_megapixels": 1})
    homes.drop(small.inbox, "a.png", homes.picture("red", size=(1200, 1000)))
    homes.run_once(small)
    assert states(small) == [State.FAILED]
    (tmp_path / "watcher.toml").unlink()
    home = homes.make(tmp_path, tiny_home_models)
    os.rename(home.failed / "a.png", home.inbox / "a.png")
    homes.run_once(home)
    assert states(home) == [State.SUPERSEDED, State.DONE]
    assert homes.paths(home.failed) == set()


class TestMended:
    """What is done now under the path of one that failed is another try, whatever its content."""

    def test_in_its_place_and_moved_to_the_inbox(self, home: Home) -> None:
        """Overwritten by a good copy where it stood."""
        (home.failed / "s/a.png").write_bytes(homes.picture("red"))
        os.rename(home.failed / "s/a.png", home.inbox / "s/a.png")
        homes.run_once(home)
        assert states(home) == [State.SUPERSEDED, State.DONE]
        assert found(home) == [] and homes.paths(home.failed) == set()

    def test_by_a_good_copy_with_the_content_of_another(self, home: Home) -> None:
        """It is a duplicate, and the failed one was deleted, with its note."""
        homes.drop(home.inbox, "first.png", homes.picture("red"))
        homes.run_once(home)
        shutil.rmtree(home.failed / "s")
        homes.drop(home.inbox, "s/a.png", homes.picture("red"))
        homes.run_once(home)
        assert states(home) == [State.SUPERSEDED, State.DONE, State.DUPLICATE]

    def test_one_that_still_stands_in_failed_has_failed(self, home: Home) -> None:
        homes.drop(home.inbox, "s/a.png", homes.picture("red"))
        homes.run_once(home)
        assert states(home) == [State.FAILED, State.DONE]

    def test_another_path_is_another_picture(self, home: Home) -> None:
        shutil.rmtree(home.failed / "s")
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.run_once(home)
        assert states(home) == [State.FAILED, State.DONE]


class TestNeverRead:
    """A picture that was set aside unread has no content in the results."""

    @pytest.fixture
    def unread(self, home: Home) -> Home:
        change(home, "UPDATE images SET sha256 = NULL")
        return home

    @pytest.mark.parametrize("moved", [["s/a.png"], ["s/a.png", "s/a.png.reason.txt"]])
    def test_its_path_and_its_size_tell(self, unread: Home, moved: list[str]) -> None:
        """Whether its note came along or stayed alone in failed/."""
        for name in moved:
            os.rename(unread.failed / name, unread.inbox / name)
        homes.run_once(unread)
        assert states(unread) == [State.SUPERSEDED, State.FAILED]
        assert found(unread) == []

    def test_another_size_is_another_picture(self, unread: Home) -> None:
        (unread.failed / "s/a.png").unlink()
        homes.drop(unread.inbox, "s/a.png", BAD + b"!")
        homes.run_once(unread)
        assert states(unread) == [State.FAILED, State.FAILED]

    @pytest.mark.parametrize("moved", [["s/a.png"], ["s/a.png", "s/a.png.reason.txt"]])
    def test_one_that_is_done_at_last(self, unread: Home, moved: list[str]) -> None:
        """It can be read now, and where its note went is all the same."""
        (unread.failed / "s/a.png").write_bytes(homes.picture("blue"))
        for name in moved:
            os.rename(unread.failed / name, unread.inbox / name)
        homes.run_once(unread)
        assert states(unread) == [State.SUPERSEDED, State.DONE]


def test_while_the_folder_is_away_nothing_is_gone(home: Home) -> None:
    """What cannot be seen is not said to have been moved: the daemon waits for it, with the row as it was."""
    [old] = homes.rows(home)
    (home.failed / "s/a.png").unlink()
    (home.root / NAME).write_text(json.dumps({str(home.failed): str(home.failed)}))
    with Database.open(home.settings.database.url, home.root) as database:
        claims = ClaimFolder(home.inbox, identity(home.root))
        again = TriedAgain(home, claims, database, Shares(home))
        with pytest.raises(OSError, match="no share is mounted"):
            again.earlier([_ended(old.sha256 or "")])
    assert states(home) == [State.FAILED]


def _ended(sha256: str) -> Finished:
    return Finished(
        claim="q" * 16,
        name="x.png",
        path="x.png",
        sha256=sha256,
        state=State.FAILED,
        reason="bad",
        received_at=homes.NOON,
        finished_at=homes.NOON,
    )
