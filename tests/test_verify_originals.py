"""`watcher verify`: originals, failed pictures and the claim folder."""

from __future__ import annotations

import os
from pathlib import Path

import homes
import pytest
from balancing import change, claim, copied, found, kinds, make_template, only, original, row, value

from watcher.books.findings import Kind
from watcher.books.verify import counts
from watcher.home import Home
from watcher.intake.claims import FOLDER
from watcher.service.identity import identity
from watcher.service.way_back import owner_again


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("verify") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


class TestOriginals:
    def test_an_original_that_is_gone(self, home: Home) -> None:
        """Nothing can mend that."""
        (home.done / "b.jpg").unlink()
        finding = only(home, Kind.ORIGINAL_MISSING)
        assert (finding.path, finding.row, finding.repairable) == ("done/b.jpg", row(home, "b.jpg").id, False)

    def test_another_file_in_its_place(self, home: Home) -> None:
        """It has another size."""
        (home.done / "b.jpg").write_bytes(b"short")
        assert not only(home, Kind.ORIGINAL_CHANGED).repairable

    def test_changed_bytes_are_found_if_asked(self, home: Home) -> None:
        """Of the same size; that means reading everything."""
        data = (home.done / "b.jpg").read_bytes()
        (home.done / "b.jpg").write_bytes(data[:-1] + b"x")
        assert found(home) == []
        assert only(home, Kind.ORIGINAL_CHANGED, contents=True)

    def test_an_original_that_was_moved(self, home: Home) -> None:
        """It is found by its content, and its row is told."""
        (home.done / "archive").mkdir()
        os.rename(home.done / "b.jpg", home.done / "archive/x.jpg")
        finding = only(home, Kind.ORIGINAL_MOVED)
        assert (finding.path, finding.row) == ("done/archive/x.jpg", row(home, "b.jpg").id)

    def test_of_two_with_one_content_each_has_its_own(self, home: Home) -> None:
        """Both were moved: no row is given both files."""
        for path in ("s/a.png", "again.png"):
            os.rename(home.done / path, home.done / f"moved-{path.replace('/', '-')}")
        findings = found(home)
        assert [finding.kind for finding in findings] == [Kind.ORIGINAL_MOVED] * 2
        assert {finding.row for finding in findings} == {row(home, path).id for path in ("s/a.png", "again.png")}

    def test_a_picture_that_no_row_names(self, home: Home) -> None:
        """Other files are other people's."""
        (home.done / "mine.png").write_bytes(homes.picture("green"))
        (home.done / "notes.txt").write_text("x")
        (home.done / ".half.png").write_text("x")
        assert only(home, Kind.ORIGINAL_UNKNOWN).path == "done/mine.png"

    def test_names_that_were_taken_are_known(self, home: Home) -> None:
        """As `~` and a part of the claim, or for names too long for more, the claim alone."""
        for seed in range(2):
            homes.drop(home.inbox, "b.jpg", homes.picture("blue", 7 + seed, "JPEG"))
            homes.run_once(home)
        assert len(homes.paths(home.done)) == 5
        claims = value(home, "SELECT claim FROM images WHERE path = 'b.jpg' ORDER BY id DESC")
        place = original(home, "b.jpg")
        assert place and claims[:8] in place
        os.rename(home.root / place, home.done / f"{claims}.jpg")
        change(home, f"UPDATE images SET original_path = 'done/{claims}.jpg' WHERE claim = '{claims}'")
        assert found(home) == []

    def test_a_name_that_tells_nothing_is_known_by_its_content(self, home: Home) -> None:
        """Its row names it, though it was dropped under quite another path."""
        os.rename(home.done / "b.jpg", home.done / "other.jpg")
        change(home, "UPDATE images SET original_path = 'done/other.jpg' WHERE path = 'b.jpg'")
        assert found(home) == []

    def test_a_name_that_is_no_text_is_no_trouble(self, home: Home) -> None:
        """It is told of in clean text."""
        (home.done / os.fsdecode(b"caf\xe9.png")).write_bytes(homes.picture("green"))
        assert only(home, Kind.ORIGINAL_UNKNOWN).path == "done/caf%E9.png"

    def test_two_rows_that_name_one_original(self, home: Home) -> None:
        """It was put into the inbox again, whole as it was: the later row has its result."""
        os.rename(home.done / "b.jpg", home.inbox / "b.jpg")
        homes.run_once(home)
        ids = sorted(row.id for row in homes.rows(home) if row.path == "b.jpg")
        finding = only(home, Kind.ORIGINAL_SHARED)
        assert (finding.row, finding.repairable) == (ids[0], True)

    def test_two_rows_that_name_one_place_in_turn(self, home: Home) -> None:
        """The first one's original was deleted, and another picture has its name."""
        (home.done / "b.jpg").unlink()
        homes.drop(home.inbox, "b.jpg", homes.picture("blue", 9, "JPEG"))
        homes.run_once(home)
        assert not only(home, Kind.ORIGINAL_SHARED).repairable

    def test_deleted_originals_are_not_missed(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """Where the settings say so; then a copy cannot be made anew."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "delete"})
        assert found(home) == []
        (home.outbox / "b.jpg").unlink()
        assert "was deleted, as the settings say" in only(home, Kind.COPY_MISSING).sentence

    def test_kept_originals_are_their_owners(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """In the inbox, changed, or taken away: no fault; and copies are made anew only of what is there as it was."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "keep"})
        assert found(home) == []
        (home.outbox / "b.jpg").unlink()
        assert only(home, Kind.COPY_MISSING).repairable
        (home.inbox / "b.jpg").unlink()
        assert not only(home, Kind.COPY_MISSING).repairable


class TestFailed:
    def test_a_failed_picture_without_its_note(self, home: Home) -> None:
        """What is to be read is the note's name."""
        (home.failed / "bad.png.reason.txt").unlink()
        assert only(home, Kind.NOTE_MISSING).path == "failed/bad.png.reason.txt"

    def test_a_failed_picture_that_was_moved_back_or_deleted_is_no_fault(self, home: Home) -> None:
        """Its note says that one may."""
        (home.failed / "bad.png").unlink()
        assert found(home) == []

    def test_a_failed_picture_that_went_elsewhere(self, home: Home) -> None:
        """Somebody took its name meanwhile."""
        claim = value(home, "SELECT claim FROM images WHERE path = 'bad.png'")
        os.rename(home.failed / "bad.png", home.failed / f"bad~{claim}.png")
        (home.failed / "bad.png").write_text("another")
        assert only(home, Kind.ORIGINAL_MOVED).path == f"failed/bad~{claim}.png"

    def test_a_picture_in_failed_that_no_row_names(self, home: Home) -> None:
        """Other files are other people's; and notes are found beside their pictures alone."""
        (home.failed / "x.png").write_bytes(b"x")
        (home.failed / "old.png.reason.txt").write_text("x")
        assert only(home, Kind.ORIGINAL_UNKNOWN).path == "failed/x.png"

    def test_a_failed_picture_that_was_moved_within_failed(self, home: Home) -> None:
        """It is known by its content, whatever it is called now."""
        (home.failed / "seen").mkdir()
        os.rename(home.failed / "bad.png", home.failed / "seen/1.png")
        finding = only(home, Kind.ORIGINAL_MOVED)
        assert (finding.path, finding.row) == ("failed/seen/1.png", row(home, "bad.png").id)

    def test_another_of_its_content_is_none_of_it(self, home: Home) -> None:
        """Its own stands where it should."""
        (home.failed / "again.png").write_bytes((home.failed / "bad.png").read_bytes())
        assert only(home, Kind.ORIGINAL_UNKNOWN).path == "failed/again.png"

    def test_two_that_failed_under_one_name_are_both_known(self, home: Home) -> None:
        """The later one carries a part of its claim."""
        homes.drop(home.inbox, "bad.png", b"another one")
        homes.run_once(home)
        assert len(homes.paths(home.failed)) == 4
        assert found(home) == []


class TestClaimFolder:
    def test_a_recorded_claim(self, home: Home) -> None:
        """A crash came between the row and the move; the original is not missing."""
        taken = value(home, "SELECT claim FROM images WHERE path = 'b.jpg'")
        os.rename(home.done / "b.jpg", home.inbox / FOLDER / f"{identity(home.root)}.{taken}.1.b.jpg")
        assert only(home, Kind.CLAIM_RECORDED).row == row(home, "b.jpg").id

    def test_a_claim_to_go_on_with_is_no_fault(self, home: Home) -> None:
        """Nor is one of another home."""
        for name, owner in (("x.png", identity(home.root)), ("y.png", "another")):
            homes.drop(home.inbox, name, homes.picture("green"))
            claim(home, name, owner)
        assert found(home) == []
        assert counts(home)["claimed"] == 2

    def test_a_picture_on_its_way_back(self, home: Home) -> None:
        """With nobody who takes it there."""
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        claim(home, "x.png", owner_again(home))
        assert "x.png" in only(home, Kind.CLAIM_ASTRAY).sentence

    def test_what_is_nobody_s_claim(self, home: Home) -> None:
        """It stays; what every system leaves in folders is not worth a word."""
        (home.inbox / FOLDER / "photo.jpg").write_text("x")
        (home.inbox / FOLDER / ".nfs0001").write_text("x")
        finding = only(home, Kind.CLAIM_UNKNOWN)
        assert (finding.path, finding.repairable) == ("inbox/.watcher/photo.jpg", False)

    @pytest.mark.parametrize("folder", ["inbox", "inbox/.watcher", "outbox", "done", "failed/s"])
    def test_halves_of_files(self, home: Home, folder: str) -> None:
        """Of a process that died."""
        (home.root / folder).mkdir(exist_ok=True)
        (home.root / folder / ".watcher-abcdefghabcdefgh.tmp").write_text("x")
        assert only(home, Kind.LEFTOVER)

    def test_the_half_of_a_claim_to_go_on_with_is_no_fault(self, home: Home) -> None:
        """The next start writes it again."""
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        taken = claim(home, "x.png", identity(home.root))
        (home.outbox / f".watcher-{taken}.tmp").write_text("x")
        assert found(home) == []

    def test_a_half_that_is_being_written_is_no_fault(self, home: Home) -> None:
        """By a process of this machine, for another home in the same folder."""
        with (home.outbox / ".watcher-abcdefghabcdefgh.tmp").open("w"):
            assert found(home) == []
        assert kinds(home) == [Kind.LEFTOVER]
