"""`watcher verify` finds what does not balance between the books and the disk, kind by kind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import homes
import pytest
from balancing import change, claim, copied, found, kinds, make_template, only, row

from watcher import locks
from watcher.books.findings import Kind
from watcher.books.verify import MANY, counts, verify
from watcher.home import Home
from watcher.intake.claims import FOLDER
from watcher.results import SchemaTooOld, State
from watcher.service.identity import identity
from watcher.service.reprocess import LOCK
from watcher.service.way_back import owner_again
from watcher.vision.encode import read_caption

STATES = {"done": 2, "duplicate": 1, "failed": 1}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("verify") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


def test_what_the_daemon_has_done_balances(home: Home) -> None:
    """Done, duplicate, failed; and every original has the content that was classified."""
    assert found(home, contents=True) == []
    assert {name: number for name, number in counts(home).items() if number} == STATES


def test_a_new_home_balances(tmp_path: Path, tiny_home_models: Path) -> None:
    """There are no books yet, and no files; asking makes none."""
    home = homes.make(tmp_path, tiny_home_models)
    assert found(home) == []
    assert set(counts(home).values()) == {0}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"watcher.toml"}


def test_looking_changes_nothing(home: Home) -> None:
    """Not even the times of the folders."""
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if "watcher.db" not in path.name}
    found(home)
    assert before == {path: path.stat().st_mtime_ns for path in before}


class TestCopies:
    def test_a_copy_that_is_gone(self, home: Home) -> None:
        """It can be made anew, as its original is there."""
        (home.outbox / "s/a.png").unlink()
        finding = only(home, Kind.COPY_MISSING)
        assert (finding.path, finding.row) == ("outbox/s/a.png", row(home, "s/a.png").id)

    def test_a_copy_that_is_another_picture_s(self, home: Home) -> None:
        """Its caption says so. That it is a second one of the other is a person's matter, who has put it there."""
        shutil.copyfile(home.outbox / "s/a.png", home.outbox / "again.png")
        assert only(home, Kind.COPY_OF_ANOTHER).path == "outbox/again.png"

    def test_somebody_s_file_under_the_name_of_a_copy(self, home: Home) -> None:
        """It has no caption of ours."""
        (home.outbox / "again.png").write_bytes(homes.picture("green"))
        assert only(home, Kind.COPY_OF_ANOTHER).path == "outbox/again.png"

    def test_a_copy_that_was_moved(self, home: Home) -> None:
        """It is found by its caption, and not said to be missing besides."""
        (home.outbox / "good").mkdir()
        os.rename(home.outbox / "s/a.png", home.outbox / "good/a.png")
        finding = only(home, Kind.COPY_MOVED)
        assert (finding.path, finding.row) == ("outbox/good/a.png", row(home, "s/a.png").id)

    def test_a_second_copy(self, home: Home) -> None:
        """Beside the one that the row names."""
        shutil.copyfile(home.outbox / "s/a.png", home.outbox / "s/b.png")
        assert only(home, Kind.COPY_EXTRA).path == "outbox/s/b.png"

    @pytest.mark.parametrize("state", [State.SUPERSEDED, State.FAILED])
    def test_a_copy_of_what_does_not_count(self, home: Home, state: State) -> None:
        """The row names no copy, and there is one."""
        change(
            home, f"UPDATE images SET state = '{state}', outbox_path = NULL, original_path = NULL WHERE path = 'b.jpg'"
        )
        assert Kind.COPY_EXTRA in kinds(home)

    def test_a_copy_of_an_unknown_claim_is_not_to_be_removed(self, home: Home) -> None:
        """The books may be older than it."""
        change(home, "DELETE FROM predictions WHERE image_id = (SELECT id FROM images WHERE path = 'b.jpg')")
        change(home, "DELETE FROM images WHERE path = 'b.jpg'")
        assert sorted(kinds(home)) == [Kind.COPY_UNKNOWN, Kind.ORIGINAL_UNKNOWN]
        finding = next(finding for finding in found(home) if finding.kind is Kind.COPY_UNKNOWN)
        assert not finding.repairable

    def test_a_copy_whose_picture_is_in_work_is_no_fault(self, home: Home) -> None:
        """It stands in the outbox before its row does; after a crash the next start goes on with it."""
        homes.drop(home.inbox, "b.jpg", (home.done / "b.jpg").read_bytes())
        taken = claim(home, "b.jpg", identity(home.root))
        data = (home.outbox / "b.jpg").read_bytes()
        caption = read_caption(data)
        assert caption
        (home.outbox / "new.jpg").write_bytes(data.replace(caption.claim.encode(), taken.encode()))
        assert found(home) == []
        assert counts(home)["claimed"] == 1

    def test_other_people_s_files_are_no_fault(self, home: Home) -> None:
        """Nor are copies for review, hidden folders and links."""
        (home.outbox / "holiday.jpg").write_bytes(homes.picture("green", form="JPEG"))
        (home.outbox / "notes.txt").write_text("x")
        (home.outbox / "link.png").symlink_to(home.outbox / "s/a.png")
        for folder in ("review", ".stversions"):
            (home.outbox / folder).mkdir()
            shutil.copyfile(home.outbox / "s/a.png", home.outbox / folder / "a.png")
        assert found(home) == []

    def test_a_link_is_no_copy(self, home: Home) -> None:
        """Whatever it points to."""
        os.rename(home.outbox / "s/a.png", home.root / "a.png")
        (home.outbox / "s/a.png").symlink_to(home.root / "a.png")
        assert only(home, Kind.COPY_OF_ANOTHER)

    def test_without_its_original_a_copy_cannot_be_made_anew(self, home: Home) -> None:
        """That is said, and why."""
        (home.outbox / "b.jpg").unlink()
        (home.done / "b.jpg").unlink()
        copy, gone = found(home)
        assert (copy.kind, copy.repairable, gone.kind) == (Kind.COPY_MISSING, False, Kind.ORIGINAL_MISSING)
        assert "its original, done/b.jpg, is not there" in copy.sentence


class TestBooks:
    def test_a_result_without_labels(self, home: Home) -> None:
        """Nobody can say what it was."""
        change(home, f"DELETE FROM predictions WHERE image_id = {row(home, 'b.jpg').id}")
        assert only(home, Kind.PREDICTIONS_MISSING).row == row(home, "b.jpg").id

    def test_what_points_nowhere(self, home: Home) -> None:
        """SQLite's own check says so."""
        import sqlite3

        with sqlite3.connect(home.root / "watcher.db") as connection:  # which checks nothing by itself
            connection.execute("INSERT INTO predictions VALUES (999, 1, 1, 'red', 0.5)")
        connection.close()
        assert "table predictions" in only(home, Kind.DATABASE_DAMAGED).sentence

    def test_what_was_put_in_line_and_not_to_the_end(self, home: Home) -> None:
        """Its row is superseded and still names its files; it is told of once."""
        change(home, "UPDATE images SET state = 'superseded' WHERE path = 'b.jpg'")
        assert only(home, Kind.REPROCESS_BEGUN).row == row(home, "b.jpg").id

    def test_beside_a_reprocess_at_work_what_is_half_done_is_no_fault(self, home: Home) -> None:
        """Rows that are superseded, pictures on their way; it ends them itself."""
        change(home, "UPDATE images SET state = 'superseded' WHERE path = 'b.jpg'")
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        claim(home, "x.png", owner_again(home))
        pauses: list[float] = []
        with locks.held(home.root / LOCK, homes.NOON):
            assert list(verify(home, pause=pauses.append)) == []
        assert kinds(home) == [Kind.REPROCESS_BEGUN, Kind.CLAIM_ASTRAY]

    def test_books_that_are_gone(self, home: Home) -> None:
        """They are to be put back; nothing is said of a picture."""
        for path in home.root.glob("watcher.db*"):
            path.unlink()
        assert {finding.kind for finding in found(home)} == {Kind.NO_DATABASE}
        assert not (home.root / "watcher.db").exists()

    def test_books_of_an_older_watcher_are_not_read(self, home: Home) -> None:
        """The usual fault says what to do."""
        change(home, "UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(SchemaTooOld):
            found(home)


class TestAway:
    @pytest.mark.parametrize("folder", ["outbox", "done"])
    def test_a_folder_that_is_not_there_is_told_of_once(self, home: Home, folder: str) -> None:
        """Not each of its files."""
        os.rename(home.root / folder, home.root / "elsewhere")
        finding = only(home, Kind.FOLDER_AWAY)
        assert (finding.path, "is its share mounted?" in finding.sentence) == (folder, True)

    def test_an_inbox_without_its_claim_folder_is_a_mount_point(self, home: Home) -> None:
        """What is in work is not known then."""
        shutil.rmtree(home.inbox / FOLDER)
        (home.outbox / "s/c.png").write_bytes((home.outbox / "s/a.png").read_bytes())
        change(home, "UPDATE images SET claim = 'abcdefghabcdefgh' WHERE path = 'b.jpg'")
        assert Kind.FOLDER_AWAY in kinds(home)
        assert Kind.COPY_UNKNOWN not in kinds(home)

    def test_an_inbox_that_is_not_there_cannot_be_counted(self, home: Home) -> None:
        """The rows can."""
        shutil.rmtree(home.inbox)
        assert only(home, Kind.FOLDER_AWAY)
        assert counts(home) == {"waiting": None, "claimed": None, "vanished": 0, "superseded": 0, **STATES}

    def test_an_empty_folder_that_many_rows_name_is_a_mount_point(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An emptied one of few pictures is what it seems to be."""
        shutil.rmtree(home.outbox)
        home.outbox.mkdir()
        assert kinds(home) == [Kind.COPY_MISSING] * 3
        assert MANY > 3
        monkeypatch.setattr("watcher.books.verify.MANY", 3)
        assert "is empty" in only(home, Kind.FOLDER_AWAY).sentence
