"""What people take out on purpose: copies that they keep elsewhere stay, and what is gone for good can be accepted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import homes
import pytest
from balancing import copied, found, kinds, left, make_template, mended, only, row
from click.testing import CliRunner, Result

from watcher.books.accepted import Accepted
from watcher.books.findings import Finding, Kind
from watcher.books.repair import accept_gone, repair
from watcher.books.verify import accepted
from watcher.cli.main import main
from watcher.home import Home
from watcher.service.shares import NAME


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("accept") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


def run(home: Home, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "verify", *args])


def accept(home: Home) -> list[Kind]:
    """What is left that does not balance."""
    return [event.kind for event in accept_gone(home, homes.NOON) if isinstance(event, Finding)]


class TestCopiesThatPeopleKeep:
    def test_one_in_a_folder_of_its_own_is_no_fault_and_stays(self, home: Home) -> None:
        """A selection of the best, say."""
        (home.outbox / "best").mkdir()
        shutil.copyfile(home.outbox / "s/a.png", home.outbox / "best/a.png")
        assert found(home) == []
        assert mended(home) == []
        assert homes.paths(home.outbox) == {"s/a.png", "b.jpg", "again.png", "best/a.png"}

    def test_one_that_was_moved_stays_when_its_picture_is_classified_anew(self, home: Home) -> None:
        """Its result counts no more; but it was not Watcher that put it there."""
        (home.outbox / "best").mkdir()
        os.rename(home.outbox / "b.jpg", home.outbox / "best/b.jpg")
        os.rename(home.done / "b.jpg", home.inbox / "b.jpg")
        homes.run_once(home)
        assert [event.fault for event in repair(home, homes.NOON) if not isinstance(event, Finding)] == [None]
        assert (home.outbox / "best/b.jpg").is_file() and (home.outbox / "b.jpg").is_file()
        assert found(home) == []

    def test_one_that_was_drawn_on_is_not_removed(self, home: Home) -> None:
        """It is told of beside the other in its folder, for its name is one that only Watcher gives."""
        claimed = f"s/a~{_claim(home)[:8]}.png"
        (home.outbox / claimed).write_bytes((home.outbox / "s/a.png").read_bytes() + b"ink")
        finding = only(home, Kind.COPY_EXTRA)
        assert (finding.path, finding.repairable) == (f"outbox/{claimed}", False)
        assert left(home) == [Kind.COPY_EXTRA]
        (home.outbox / claimed).rename(home.outbox / "s/my notes on a.png")
        assert found(home) == []

    def test_one_that_is_there_twice_under_our_name_goes(self, home: Home) -> None:
        """The row names the moved one, and somebody has copied it back."""
        (home.outbox / "best").mkdir()
        os.rename(home.outbox / "b.jpg", home.outbox / "best/b.jpg")
        mended(home)
        shutil.copyfile(home.outbox / "best/b.jpg", home.outbox / "b.jpg")
        assert mended(home) == ["outbox/b.jpg is removed."]
        assert (home.outbox / "best/b.jpg").is_file()


def _claim(home: Home) -> str:
    from balancing import value

    return str(value(home, f"SELECT claim FROM images WHERE id = {row(home, 's/a.png').id}"))


class TestAccept:
    def test_what_is_gone_for_good_is_accepted_once(self, home: Home) -> None:
        """From then on all balances, and how much was taken out, and when, is said."""
        for path in ("done/b.jpg", "outbox/b.jpg", "done/s/a.png"):
            (home.root / path).unlink()
        assert run(home, "--repair").exit_code == 1
        done = run(home, "--accept")
        assert done.exit_code == 0
        assert f"Accepted: The original of row {row(home, 'b.jpg').id} (done/b.jpg) is taken out.\n" in done.output
        again = run(home)
        assert again.exit_code == 0
        assert "3 files are taken out, accepted on 20" in again.output and again.output.endswith("All balances.\n")
        assert found(home, contents=True) == [] and list(repair(home, homes.NOON)) == []
        assert len(homes.paths(home.outbox)) == 2

    def test_the_sentence_says_how(self, home: Home) -> None:
        (home.done / "b.jpg").unlink()
        assert (
            "If it was taken out on purpose, `watcher verify --accept` notes that."
            in only(home, Kind.ORIGINAL_MISSING).sentence
        )

    def test_so_does_that_of_a_copy_that_could_be_made_anew(self, home: Home) -> None:
        (home.outbox / "b.jpg").unlink()
        sentence = only(home, Kind.COPY_MISSING).sentence
        assert ": --repair makes it anew. If it was taken out on purpose, `watcher verify --accept`" in sentence

    def test_a_copy_that_could_be_made_anew_is_accepted_too(self, home: Home) -> None:
        """Whoever wants it back repairs first."""
        (home.outbox / "b.jpg").unlink()
        assert accept(home) == []
        assert list(repair(home, homes.NOON)) == []
        assert not (home.outbox / "b.jpg").exists()

    def test_what_else_does_not_balance_is_left(self, home: Home) -> None:
        """Only files that are gone can be taken out."""
        (home.done / "b.jpg").unlink()
        (home.done / "mine.png").write_bytes(homes.picture("green"))
        assert accept(home) == [Kind.ORIGINAL_UNKNOWN]
        assert kinds(home) == [Kind.ORIGINAL_UNKNOWN]

    def test_what_was_changed_is_no_file_that_is_gone(self, home: Home) -> None:
        """It stays a finding until it is put right, or removed."""
        (home.done / "b.jpg").write_bytes(homes.picture("green", form="JPEG") + b"!")
        (home.outbox / "s/a.png").write_bytes(homes.picture("green"))
        changed = [Kind.COPY_OF_ANOTHER, Kind.ORIGINAL_CHANGED]
        assert sorted(accept(home)) == sorted(kinds(home)) == changed
        assert not any("--accept" in finding.sentence for finding in found(home))
        assert accepted(home) == {}
        for path in ("done/b.jpg", "outbox/s/a.png"):
            (home.root / path).unlink()
        assert accept(home) == [] and found(home) == []

    def test_a_copy_whose_name_a_later_picture_s_has_got(self, home: Home) -> None:
        """It is gone, not changed: both files were taken out before the next of that name came."""
        for folder in (home.done, home.outbox):
            (folder / "b.jpg").unlink()
        homes.drop(home.inbox, "b.jpg", homes.picture("green", 9, "JPEG"))
        homes.run_once(home)
        assert sorted(kinds(home)) == [Kind.COPY_MISSING, Kind.ORIGINAL_SHARED]
        said = next(finding.sentence for finding in found(home) if finding.kind is Kind.COPY_MISSING)
        assert f"in outbox/b.jpg stands that of row {row(home, 'b.jpg').id} now" in said
        assert accept(home) == [] and found(home) == []

    def test_another_picture_s_original_in_its_place(self, home: Home) -> None:
        """Its own was deleted, and a later one got its name."""
        (home.done / "b.jpg").unlink()
        homes.drop(home.inbox, "b.jpg", homes.picture("blue", 9, "JPEG"))
        homes.run_once(home)
        assert kinds(home) == [Kind.ORIGINAL_SHARED]
        assert accept(home) == [] and found(home) == []

    @pytest.mark.parametrize("do", [accept, lambda home: list(repair(home, homes.NOON))])
    def test_what_came_back_and_goes_again_is_news(self, home: Home, do: object) -> None:
        """As soon as a repair or an acceptance has seen it there."""
        (home.done / "b.jpg").rename(home.root / "b.jpg")
        accept(home)
        (home.root / "b.jpg").rename(home.done / "b.jpg")
        assert callable(do) and do(home) == []
        assert accepted(home) == {}
        (home.done / "b.jpg").unlink()
        assert kinds(home) == [Kind.ORIGINAL_MISSING]

    def test_an_accepted_copy_that_turns_up_elsewhere_counts_again(self, home: Home) -> None:
        """Its row names it, and is not taken out any more."""
        (home.outbox / "b.jpg").rename(home.root / "b.jpg")
        accept(home)
        (home.outbox / "best").mkdir()
        (home.root / "b.jpg").rename(home.outbox / "best/b.jpg")
        assert len(list(repair(home, homes.NOON))) == 1
        assert accepted(home) == {} and row(home, "b.jpg").outbox_path == "outbox/best/b.jpg"

    def test_nothing_is_accepted_of_a_share_that_is_away(self, home: Home) -> None:
        """It is not taken out but unmounted."""
        shutil.rmtree(home.outbox)
        home.outbox.mkdir()
        (home.root / NAME).write_text(json.dumps({str(home.outbox): "/mnt/never-mounted"}))
        assert accept(home) == [Kind.FOLDER_AWAY]
        assert accepted(home) == {}

    def test_a_daemon_is_to_be_stopped_first_and_a_repair_is_another_thing(self, home: Home) -> None:
        """What it is about to make would be taken for gone."""
        from watcher import locks

        with locks.held(home.lock, homes.NOON):
            done = run(home, "--accept")
        assert (done.exit_code, "stop that one first" in done.output) == (1, True)
        assert run(home, "--accept", "--repair").exit_code == 2

    def test_an_emptied_folder_of_which_all_is_accepted_is_no_mount_point(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many rows name its files."""
        monkeypatch.setattr("watcher.books.verify.MANY", 3)
        shutil.rmtree(home.done)
        home.done.mkdir()
        assert "If it was emptied on purpose, put any file into it." in only(home, Kind.FOLDER_AWAY).sentence
        (home.done / "archived.txt").write_text("on disk 7")
        assert accept(home) == []
        (home.done / "archived.txt").unlink()
        assert found(home) == []

    def test_values(self, home: Home) -> None:
        """For scripts."""
        (home.done / "b.jpg").unlink()
        said = json.loads(run(home, "--accept", "--format", "json").output)
        assert [(item["kind"], item["row"]) for item in said["accepted"]] == [
            ("original_missing", row(home, "b.jpg").id)
        ]
        assert (said["balances"], list(said["taken_out"].values())) == (True, [1])

    def test_it_outlives_a_rebuilt_database(self, home: Home) -> None:
        """The rows of what was taken out are read out of the damaged file, as all others are."""
        (home.done / "b.jpg").unlink()
        accept(home)
        with (home.root / "watcher.db").open("r+b") as file:
            file.write(b"garbled!" * 2)
        homes.run_once(home)
        assert (home.root / "watcher.db").read_bytes()[:6] == b"SQLite"
        assert list(accepted(home).values()) == [1] and found(home) == []


def test_a_large_acceptance_is_one_transaction(home: Home) -> None:
    """All or nothing, so that it can be repeated."""
    for path in homes.paths(home.done):
        (home.done / path).unlink()
    events = list(accept_gone(home, homes.NOON))
    assert [type(event) for event in events] == [Accepted] * 3
    assert accepted(home) == {"2026-11-23": 3}
    assert list(accept_gone(home, homes.NOON)) == []
