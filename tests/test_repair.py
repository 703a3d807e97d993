"""`watcher verify --repair` mends what can be mended, once; what cannot be is left as it is, and said."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import homes
import pytest
from balancing import change, claim, copied, everything, found, kinds, left, make_template, mended, original, row, value
from PIL import Image

from watcher import locks
from watcher.books.findings import Kind
from watcher.books.repair import Mended, repair
from watcher.errors import HomeError
from watcher.home import Home
from watcher.intake.claims import FOLDER
from watcher.results import State
from watcher.service.identity import identity
from watcher.service.reprocess import LOCK
from watcher.service.retry import retry
from watcher.service.way_back import owner_again
from watcher.vision.encode import read_caption


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("repair") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


def test_where_all_balances_nothing_is_touched(home: Home) -> None:
    """Neither rows nor files."""
    before = everything(home)
    assert mended(home) == []
    assert everything(home) == before


class TestCopies:
    def test_a_copy_is_made_anew_as_it_was(self, home: Home) -> None:
        """From the original and the books alone, to the byte."""
        before = everything(home)
        shutil.rmtree(home.outbox)
        home.outbox.mkdir()
        assert len(mended(home)) == 3
        assert everything(home) == before

    def test_a_name_that_somebody_took_is_left_to_him(self, home: Home) -> None:
        """The copy gets another one, and the row says so."""
        (home.outbox / "again.png").write_bytes(homes.picture("green"))
        mended(home)
        assert (home.outbox / "again.png").read_bytes() == homes.picture("green")
        place = row(home, "again.png").outbox_path
        assert place and place.startswith("outbox/again~")
        caption = read_caption(home.root / place)
        assert caption and caption.claim == value(home, "SELECT claim FROM images WHERE path = 'again.png'")

    def test_copies_that_changed_names_are_both_right_again(self, home: Home) -> None:
        """Each row names the one with its claim."""
        one, other, between = home.outbox / "again.png", home.outbox / "s/a.png", home.outbox / "x.png"
        for source, target in ((one, between), (other, one), (between, other)):
            os.rename(source, target)
        mended(home)
        assert row(home, "again.png").outbox_path == "outbox/s/a.png"
        assert row(home, "s/a.png").outbox_path == "outbox/again.png"

    def test_a_moved_copy_stays_where_it_was_moved(self, home: Home) -> None:
        """Its row learns that; a second one of it goes."""
        (home.outbox / "good").mkdir()
        shutil.copyfile(home.outbox / "s/a.png", home.outbox / "good/1.png")
        os.rename(home.outbox / "s/a.png", home.outbox / "good/2.png")
        mended(home)
        [name] = homes.paths(home.outbox / "good")
        assert row(home, "s/a.png").outbox_path == f"outbox/good/{name}"

    def test_a_second_copy_goes(self, home: Home) -> None:
        """The one that the row names stays."""
        shutil.copyfile(home.outbox / "s/a.png", home.outbox / "s/b.png")
        assert mended(home) == ["outbox/s/b.png is removed."]
        assert homes.paths(home.outbox) == {"s/a.png", "b.jpg", "again.png"}

    def test_a_copy_that_nobody_knows_stays(self, home: Home) -> None:
        """The books may be older than it, and it says whose it is."""
        change(home, "UPDATE images SET claim = 'abcdefghabcdefgh' WHERE path = 'b.jpg'")
        before = (home.outbox / "b.jpg").read_bytes()
        assert left(home) == [Kind.COPY_UNKNOWN]
        assert (home.outbox / "b.jpg").read_bytes() == before
        assert row(home, "b.jpg").outbox_path != "outbox/b.jpg"

    def test_after_a_database_of_yesterday_was_put_back_today_s_pictures_are_done_again(self, home: Home) -> None:
        """Their originals are in line again; what was drawn of them goes, for it will be drawn anew."""
        change(home, "DELETE FROM predictions WHERE image_id = (SELECT id FROM images WHERE path = 'b.jpg')")
        change(home, "DELETE FROM images WHERE path = 'b.jpg'")
        assert mended(home) == [
            "done/b.jpg is in line again, in the inbox; outbox/b.jpg, of which no row knows, is removed."
        ]
        assert homes.paths(home.outbox) == {"s/a.png", "again.png"}
        assert "b.jpg" in homes.paths(home.inbox)

    def test_nothing_is_made_of_another_picture(self, home: Home) -> None:
        """The original must have the content that was classified."""
        (home.outbox / "b.jpg").unlink()
        data = (home.done / "b.jpg").read_bytes()
        (home.done / "b.jpg").write_bytes(data[:-1] + b"x")
        events = list(repair(home, homes.NOON))
        assert isinstance(events[0], Mended) and "not the picture that was classified" in str(events[0].fault)
        assert homes.paths(home.outbox) == {"s/a.png", "again.png"}

    def test_of_a_kept_original_too(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """Where it stands in the inbox."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "keep"})
        before = (home.outbox / "b.jpg").read_bytes()
        (home.outbox / "b.jpg").unlink()
        mended(home)
        assert (home.outbox / "b.jpg").read_bytes() == before


class TestOriginals:
    def test_the_row_of_a_moved_one_is_corrected(self, home: Home) -> None:
        """Of two with one content, each row has its own."""
        for path in ("s/a.png", "again.png"):
            os.rename(home.done / path, home.done / f"moved-{path.replace('/', '-')}")
        assert len(mended(home)) == 2
        assert {original(home, path) for path in ("s/a.png", "again.png")} == {
            "done/moved-s-a.png",
            "done/moved-again.png",
        }

    def test_a_picture_that_no_row_names_is_put_in_line(self, home: Home) -> None:
        """Under its path; beside one of its name that waits there."""
        for name in ("t/x.png", "t/y.png"):
            (home.done / name).parent.mkdir(exist_ok=True)
            (home.done / name).write_bytes(homes.picture("green", ord(name[2])))
        homes.drop(home.inbox, "t/y.png", homes.picture("green", 5))
        mended(home)
        assert {"t/x.png", "t/y.png"} < (waiting := homes.paths(home.inbox)) and len(waiting) == 3
        rows = homes.run_once(home)
        assert {row.path for row in rows if row.label == "green"} == waiting
        assert found(home) == []

    def test_what_was_put_into_the_inbox_again_has_one_result(self, home: Home) -> None:
        """The later one; the earlier is superseded, and its copy gone."""
        os.rename(home.done / "b.jpg", home.inbox / "b.jpg")
        homes.run_once(home)
        old = min((row for row in homes.rows(home) if row.path == "b.jpg"), key=lambda row: row.id)
        mended(home)
        new = row(home, "b.jpg")
        assert [row.state for row in homes.rows(home) if row.id == old.id] == [State.SUPERSEDED]
        assert value(home, f"SELECT reason FROM images WHERE id = {old.id}").endswith(f"row {new.id} has its result")
        assert homes.paths(home.outbox) == {"s/a.png", "again.png", str(new.outbox_path).removeprefix("outbox/")}
        assert homes.paths(home.done) == {"s/a.png", "again.png", "b.jpg"}

    def test_what_is_lost_is_said_and_the_rest_is_mended(self, home: Home) -> None:
        """There is nothing to mend it with."""
        (home.done / "b.jpg").unlink()
        (home.outbox / "s/a.png").unlink()
        assert left(home) == [Kind.ORIGINAL_MISSING]
        assert kinds(home) == [Kind.ORIGINAL_MISSING]


def test_the_note_of_a_failed_picture_is_written_again(home: Home) -> None:
    """As it was."""
    note = home.failed / "bad.png.reason.txt"
    before = note.read_bytes()
    note.unlink()
    mended(home)
    assert note.read_bytes() == before


def test_a_failed_picture_that_went_elsewhere_has_its_note_beside_it(home: Home) -> None:
    """And its row says where it is."""
    claim = value(home, "SELECT claim FROM images WHERE path = 'bad.png'")
    os.rename(home.failed / "bad.png", home.failed / f"bad~{claim}.png")
    (home.failed / "bad.png").write_text("another")
    mended(home)
    assert original(home, "bad.png") == f"failed/bad~{claim}.png"
    assert (home.failed / f"bad~{claim}.png.reason.txt").read_text() == (home.failed / "bad.png.reason.txt").read_text()


def test_a_picture_in_failed_that_no_row_names_is_tried_again(home: Home) -> None:
    """As one in done/ is: nothing is lost, and it is in the books from then on."""
    (home.failed / "t").mkdir()
    (home.failed / "t/good.png").write_bytes(homes.picture("green"))
    (home.failed / "t/bad.png").write_bytes(b"x")
    mended(home)
    assert homes.paths(home.inbox) == {"t/good.png", "t/bad.png"}
    homes.run_once(home)
    assert (row(home, "t/good.png").state, row(home, "t/bad.png").state) == (State.DONE, State.FAILED)
    assert found(home) == []


def test_a_failed_picture_that_was_moved_within_failed_can_be_tried_again(home: Home) -> None:
    """Its row learns where it is, and it gets a note there."""
    (home.failed / "seen").mkdir()
    os.rename(home.failed / "bad.png", home.failed / "seen/1.png")
    mended(home)
    assert original(home, "bad.png") == "failed/seen/1.png"
    assert "bad.png" in (home.failed / "seen/1.png.reason.txt").read_text()
    assert retry(home, None, None, homes.NOON).in_line == 1


class TestClaimFolder:
    def test_a_recorded_claim_is_put_away(self, home: Home) -> None:
        """As the next start would."""
        before = everything(home)
        taken = value(home, "SELECT claim FROM images WHERE path = 'b.jpg'")
        os.rename(home.done / "b.jpg", home.inbox / FOLDER / f"{identity(home.root)}.{taken}.1.b.jpg")
        mended(home)
        assert everything(home) == before

    def test_a_recorded_claim_whose_place_was_taken_is_known_where_it_went(self, home: Home) -> None:
        """In one go."""
        taken = value(home, "SELECT claim FROM images WHERE path = 'b.jpg'")
        os.rename(home.done / "b.jpg", home.inbox / FOLDER / f"{identity(home.root)}.{taken}.1.b.jpg")
        (home.done / "b.jpg").write_text("another")
        mended(home)
        assert original(home, "b.jpg") == f"done/b~{taken}.jpg"
        assert homes.paths(home.inbox) == {"b.jpg"}  # which no row names

    @pytest.mark.parametrize("name", ["x.png", "/".join(["long folder name"] * 16) + "/x.png"])
    def test_a_picture_on_its_way_back_gets_there(self, home: Home, name: str) -> None:
        """Also where its path needed folders in the claim folder."""
        homes.drop(home.inbox, name, homes.picture("green"))
        claim(home, name, owner_again(home))
        mended(home)
        assert homes.paths(home.inbox) == {name}
        assert list((home.inbox / FOLDER).iterdir()) == []

    def test_what_is_nobody_s_stays(self, home: Home) -> None:
        """And is said."""
        (home.inbox / FOLDER / "photo.jpg").write_text("x")
        assert left(home) == [Kind.CLAIM_UNKNOWN]
        assert (home.inbox / FOLDER / "photo.jpg").exists()

    def test_halves_of_files_go(self, home: Home) -> None:
        """Wherever a process died."""
        halves = [home.outbox, home.done, home.failed, home.inbox, home.inbox / FOLDER]
        for folder in halves:
            (folder / ".watcher-fd00-12ab.tmp").write_text("x")
        assert len(mended(home)) == len(halves)


def test_what_was_put_in_line_is_put_there_to_the_end(home: Home) -> None:
    """As the same `reprocess` would."""
    change(home, "UPDATE images SET state = 'superseded' WHERE path IN ('b.jpg', 's/a.png')")
    mended(home)
    assert homes.paths(home.inbox) == {"b.jpg", "s/a.png"}
    assert homes.paths(home.outbox) == homes.paths(home.done) == {"again.png"}


class TestRefusals:
    def test_a_daemon_is_to_be_stopped_first(self, home: Home) -> None:
        """It would move what is being mended."""
        with locks.held(home.lock, homes.NOON), pytest.raises(HomeError, match="stop that one first"):
            list(repair(home, homes.NOON))

    def test_a_reprocess_is_to_end_first(self, home: Home) -> None:
        """As two of them are not let at work either."""
        with locks.held(home.root / LOCK, homes.NOON), pytest.raises(HomeError, match="wait until that has ended"):
            list(repair(home, homes.NOON))

    def test_without_books_nothing_is_done(self, home: Home) -> None:
        """Else everything in `done` would be put in line again."""
        for path in home.root.glob("watcher.db*"):
            path.unlink()
        files = {folder: homes.paths(home.root / folder) for folder in ("inbox", "outbox", "done")}
        assert set(left(home)) == {Kind.NO_DATABASE}
        assert files == {folder: homes.paths(home.root / folder) for folder in ("inbox", "outbox", "done")}

    def test_without_an_inbox_nothing_is_put_there(self, home: Home) -> None:
        """A mount point is no place for pictures."""
        shutil.rmtree(home.inbox / FOLDER)
        (home.done / "mine.png").write_bytes(homes.picture("green"))
        change(home, "UPDATE images SET state = 'superseded' WHERE path = 'b.jpg'")
        assert sorted(left(home)) == [Kind.FOLDER_AWAY, Kind.ORIGINAL_UNKNOWN]
        assert homes.paths(home.inbox) == set()

    def test_a_disk_that_refuses_is_said_and_the_rest_goes_on(self, home: Home) -> None:
        """One fault of many."""
        (home.outbox / "b.jpg").unlink()
        (home.outbox / "s/a.png").unlink()
        (home.outbox / "s").rmdir()
        (home.outbox / "b.jpg").mkdir()
        connection = sqlite3.connect(home.root / "watcher.db")
        claim = connection.execute("SELECT claim FROM images WHERE path = 'b.jpg'").fetchone()[0]
        connection.close()
        (home.outbox / f".watcher-{claim}.tmp").mkdir()
        events = list(repair(home, homes.NOON))
        faults = [event.fault for event in events if isinstance(event, Mended) and event.fault]
        assert len(faults) == 1
        assert (home.outbox / "s/a.png").is_file()
