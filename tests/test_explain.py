"""`watcher explain FILE`: why a file is where it is, for any path, and for names that are nowhere any more."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import homes
import pytest
from balancing import BAD, change, copied, make_template, row, value
from click.testing import CliRunner, Result

from watcher import locks
from watcher.books.explain import Explainer, Explanation
from watcher.books.repair import accept_gone
from watcher.cli.main import main
from watcher.clock import utc
from watcher.home import Home
from watcher.intake.claims import FOLDER, ClaimFolder
from watcher.intake.scan import look
from watcher.results import Database, NoDatabase
from watcher.service.identity import identity
from watcher.service.note import DaemonNote
from watcher.service.shares import NAME
from watcher.service.way_back import owner_again


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_home_models: Path) -> Home:
    return make_template(tmp_path_factory.mktemp("explain") / "home", tiny_home_models)


@pytest.fixture
def home(tmp_path: Path, template: Home) -> Home:
    return copied(template, tmp_path / "home")


def explained(home: Home, given: str | Path, later: float = 0.0) -> list[Explanation]:
    """So many seconds from now."""
    now = utc() + timedelta(seconds=later)
    try:
        with Database.open(home.settings.database.url, home.root, readonly=True) as database:
            return Explainer(home, database, now).explain(str(given))
    except NoDatabase:
        return Explainer(home, None, now).explain(str(given))


def said(home: Home, given: str | Path, later: float = 0.0) -> str:
    [found] = explained(home, given, later)
    return found.sentence


def run(home: Home, *args: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "explain", *args])


class TestDone:
    def test_by_any_path_and_by_its_name(self, home: Home) -> None:
        """The row, the label, the version, the files."""
        number = row(home, "s/a.png").id
        for given in ("a.png", "s/a.png", "inbox/s/a.png", home.inbox / "s/a.png", home.root / "done/s/a.png"):
            sentence = said(home, given)
            assert f"s/a.png is done (row {number}): red (score 0." in sentence, given
            assert "by tiny/1 on 20" in sentence
            assert "Its annotated copy is outbox/s/a.png; its original is done/s/a.png." in sentence

    def test_from_the_folder_that_one_is_in(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where the home was reached by a link."""
        (home.root.parent / "link").symlink_to(home.root)
        monkeypatch.chdir(home.root.parent / "link" / "done" / "s")
        assert said(home, "a.png").startswith("done/s/a.png is an original. s/a.png is done (row ")

    def test_a_duplicate_names_the_first(self, home: Home) -> None:
        """Whose labels it was given."""
        assert "it has the same content as s/a.png, and so its red (score 0." in said(home, "again.png")

    def test_an_annotated_copy_tells_of_its_picture(self, home: Home) -> None:
        """Wherever it was moved."""
        shutil.copyfile(home.outbox / "s/a.png", home.root.parent / "mail.png")
        for path in (home.outbox / "s/a.png", home.root.parent / "mail.png"):
            assert "is an annotated copy. s/a.png is done (row " in said(home, path)

    def test_a_file_from_elsewhere_is_known_by_its_content(self, home: Home) -> None:
        """Else it was never here."""
        for name, data in {"x.jpg": (home.done / "b.jpg").read_bytes(), "y.jpg": b"new"}.items():
            (home.root.parent / name).write_bytes(data)
        assert "has the content of a known picture. b.jpg is done (row " in said(home, home.root.parent / "x.jpg")
        assert "no result is of its content" in said(home, home.root.parent / "y.jpg")

    def test_an_unsure_result_says_so(self, home: Home) -> None:
        """A person should look at it."""
        change(home, "UPDATE images SET needs_review = 1 WHERE path = 'b.jpg'")
        assert "a person should look at it" in said(home, "b.jpg")

    def test_kept_originals_are_done_where_they_stand(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """New content under the same name waits."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "keep"})
        assert "its original stays in the inbox, as the settings say." in said(home, "s/a.png")
        homes.drop(home.inbox, "s/a.png", homes.picture("green"))
        assert said(home, "s/a.png").startswith("s/a.png waits in the inbox")

    def test_deleted_originals(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """As the settings say."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "delete"})
        assert "its original was deleted, as the settings say." in said(home, "a.png")

    def test_files_that_are_gone_are_said_to_be(self, home: Home) -> None:
        """Taken out on purpose, on their way, on a share that is away, or simply not there."""
        (home.done / "b.jpg").unlink()
        (home.outbox / "b.jpg").unlink()
        gone = "but it is not there any more; `watcher verify` says what can be done"
        assert f"copy is outbox/b.jpg, {gone}; its original is done/b.jpg, {gone}." in said(home, "b.jpg")
        list(accept_gone(home, homes.NOON))
        assert "its original is done/b.jpg, from where it was taken out." in said(home, "b.jpg")
        claim = value(home, "SELECT claim FROM images WHERE path = 's/a.png'")
        os.rename(home.done / "s/a.png", home.inbox / FOLDER / f"{identity(home.root)}.{claim}.1.a.png")
        change(home, "UPDATE images SET claim = 'abcdefghabcdefgh' WHERE path = 'again.png'")
        assert "its original is done/s/a.png, where it is on its way." in said(home, "outbox/s/a.png")
        (home.root / NAME).write_text(json.dumps({str(home.done): "/mnt/never-mounted"}))
        assert "its original is done/b.jpg, on a share that is not mounted on /mnt/never-mounted now." in said(
            home, "b.jpg"
        )

    def test_a_kept_original_that_was_taken_away(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """It is the owner's."""
        home = make_template(tmp_path, tiny_home_models, intake={"originals": "keep"})
        (home.inbox / "s/a.png").unlink()
        assert "its original stayed in the inbox, as the settings said, and was taken away or changed since." in said(
            home, "s/a.png"
        )


class TestOtherEnds:
    def test_a_failed_picture_says_why_and_what_to_do(self, home: Home) -> None:
        """And so does its note."""
        for given in ("bad.png", "failed/bad.png", "failed/bad.png.reason.txt"):
            sentence = said(home, given)
            assert "bad.png could not be read (row " in sentence
            assert "It stands in failed/bad.png: put a good copy into the inbox, or move this one back" in sentence
        (home.failed / "bad.png").unlink()
        assert "It was moved away" in said(home, "bad.png")

    def test_the_note_of_one_that_was_moved_back_can_be_deleted(self, home: Home) -> None:
        """It stayed in failed/ alone, and no row tells of it any more."""
        note = home.failed / "bad.png.reason.txt"
        kept = note.read_text()
        os.rename(home.failed / "bad.png", home.inbox / "bad.png")
        homes.run_once(home)
        note.rename(home.failed / "x.png.reason.txt")
        assert "says why bad.png failed; it can be deleted" in said(home, "failed/x.png.reason.txt")
        note.write_text(kept)
        assert "says why a picture failed. bad.png could not be read" in said(home, note)

    def test_a_vanished_one(self, home: Home) -> None:
        """Somebody took it back."""
        change(home, "UPDATE images SET state = 'vanished', reason = 'taken back' WHERE path = 'b.jpg'")
        assert "b.jpg has vanished (row " in said(home, "b.jpg") and ": taken back." in said(home, "b.jpg")

    def test_a_superseded_one_names_its_newer_result(self, home: Home) -> None:
        """If it has one yet."""
        old = row(home, "b.jpg").id
        os.rename(home.done / "b.jpg", home.inbox / "b.jpg")
        change(
            home,
            f"UPDATE images SET state = 'superseded', reason = 'made by tiny/0', original_path = NULL WHERE id = {old}",
        )
        (home.inbox / "b.jpg").rename(home.root / "b.jpg")
        assert f"What row {old} says of b.jpg counts no more: made by tiny/0. It has no newer" in said(
            home, home.inbox / "b.jpg"
        )
        os.rename(home.root / "b.jpg", home.inbox / "b.jpg")
        homes.run_once(home)
        new = row(home, "b.jpg").id
        sentences = [found.sentence for found in explained(home, "b.jpg")]
        assert sentences[0].startswith(f"b.jpg is done (row {new})")
        assert sentences[1].endswith(sentences[0])

    def test_what_was_never_here(self, home: Home) -> None:
        """Is said to be unknown, and fails."""
        [found] = explained(home, "nothing.png")
        assert (found.path, found.row) == (None, None)
        assert "Nothing is known of nothing.png" in found.sentence
        assert run(home, "nothing.png", "a.png").exit_code == 1


class TestWaiting:
    def test_without_a_daemon(self, home: Home) -> None:
        """How long so far, and what to do."""
        homes.drop(home.inbox, "t/x.png", homes.picture("green"))
        for given in ("x.png", "t/x.png"):
            sentence = said(home, given, later=3 * 3600 + 61)
            assert sentence == (
                "t/x.png waits in the inbox, unchanged for 3 hours and 1 minute: no daemon runs; start one with "
                "`watcher run`."
            )

    def test_until_it_has_settled(self, home: Home) -> None:
        """Or until the daemon comes to it."""
        home = homes.make(home.root / "other", home.models, intake={"settle_seconds": 5, "rescan_seconds": 60})
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        with locks.held(home.lock, homes.NOON):
            assert said(home, "x.png").endswith(": it is taken when it has not changed for 5 seconds.")
            assert "after those before it" in said(home, "x.png", later=10)

    def test_while_it_is_being_written(self, home: Home) -> None:
        """A program has it open."""
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        with locks.held(home.lock, homes.NOON), (home.inbox / "x.png").open("ab"):
            assert "a program of this machine still has it open for writing" in said(home, "x.png", later=10)

    def test_for_its_model(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """Which is not there; what to do is said."""
        home = homes.make(tmp_path, tiny_home_models, models={"routes": {"cells": "smears"}})
        homes.drop(home.inbox, "cells/x.png", homes.picture("green"))
        sentence = said(home, "x.png")
        assert "no daemon runs" in sentence
        assert "its model smears cannot be used: " in sentence and "watcher models import smears" in sentence

    def test_for_the_world(self, home: Home) -> None:
        """The daemon has trouble, and goes on by itself."""
        homes.drop(home.inbox, "x.png", homes.picture("green"))
        with locks.held(home.lock, homes.NOON):
            note = DaemonNote(home.root)
            note.begin()
            note.trouble("writing to the outbox", "No space left on device", "2026-11-23T12:00:00+00:00")
            sentence = said(home, "x.png", later=10)
        assert "it has trouble writing to the outbox: No space left on device" in sentence

    def test_left_alone_with_the_filter_that_did_it(self, home: Home) -> None:
        """Even what `status` has no word for."""
        for name in ("x.jpg.part", "notes.txt", ".secret.png"):
            (home.inbox / name).write_text("x")
        assert said(home, "x.jpg.part").startswith("inbox/x.jpg.part is left alone: its name fits *.part, under which")
        assert "its name fits .*" in said(home, ".secret.png")
        assert "does not end like a picture's" in said(home, "inbox/notes.txt")

    def test_folders_are_folders(self, home: Home) -> None:
        """Of those in the inbox the pictures are taken; none is left alone."""
        for name in ("t", "u.png"):
            (home.inbox / name).mkdir()
        assert said(home, "inbox/t") == "inbox/t is a folder; the pictures in it are taken."
        assert said(home, "inbox/u.png").startswith("inbox/u.png is a folder, though its name ends like a picture's")
        (home.jobs / "log").mkdir(exist_ok=True)
        (home.corrections / "tiny/red").mkdir(parents=True)
        for name in ("outbox/s", "done/s", "jobs/log", "corrections/tiny/red", "/"):
            assert said(home, name) == f"{name} is a folder; ask for one of the files in it."

    def test_the_folders_around_one(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """None is to be put into the inbox."""
        monkeypatch.chdir(home.root)
        for name in (".", "..", home.root, home.inbox):
            for one in explained(home, name):
                assert "folder" in one.sentence and "put it" not in one.sentence
        assert said(home, home.root) == f"{home.root} is the folder of this home."


class TestInWork:
    @pytest.fixture
    def claimed(self, home: Home) -> dict[str, str]:
        """A picture of each owner; where it stands, by owner."""
        places = {}
        for owner in (identity(home.root), owner_again(home), "another"):
            claims = ClaimFolder(home.inbox, owner)
            homes.drop(home.inbox, f"t/{owner}.png", homes.picture("green"))
            seen = look(home.inbox, f"t/{owner}.png")
            claim = claims.claim(seen) if seen else None
            assert claim
            places[owner] = str(claims.file(claims.attempt(claim)))
        return places

    def test_who_has_it_and_how_far_it_is(self, home: Home, claimed: dict[str, str]) -> None:
        """By its path, its name, and where it stands."""
        own, again, another = claimed
        for given in (f"{own}.png", f"t/{own}.png", claimed[own]):
            assert said(home, given).startswith(
                f"t/{own}.png was in work when the daemon ended, opened 1 time so far: "
            )
        with locks.held(home.lock, homes.NOON):
            assert f"is in work, opened 1 time so far: the daemon (process {os.getpid()}" in said(home, f"{own}.png")
            note = DaemonNote(home.root)
            note.begin()
            note.trouble("writing to the outbox", "No space left on device", "2026-11-23T12:00:00+00:00")
            assert said(home, f"{own}.png").endswith("trouble writing to the outbox: No space left on device.")
        assert "is on its way back into the inbox" in said(home, f"{again}.png")
        assert "is in work for another home" in said(home, f"{another}.png")

    def test_what_else_is_there(self, home: Home) -> None:
        """The claim folder is ours."""
        assert "is Watcher's own" in said(home, home.inbox / FOLDER)


class TestElsewhere:
    def test_corrections_name_who_learns_from_them(self, home: Home) -> None:
        """Jobs that train the model and heed corrections; of a copy the original counts."""
        place = home.corrections / "tiny/blue/a.png"
        place.parent.mkdir(parents=True)
        shutil.copyfile(home.done / "s/a.png", place)
        assert "truly blue, for the model tiny; no job learns from it" in said(home, place)
        (home.jobs / "weekly.toml").write_text('model = "tiny"', "utf-8")
        (home.jobs / "deaf.toml").write_text('model = "tiny"\n[data]\ncorrections = false', "utf-8")
        assert said(home, place).endswith("; the next run of the job weekly learns from it.")
        shutil.copyfile(home.outbox / "s/a.png", place)
        assert f"(an annotated copy of row {row(home, 's/a.png').id}, whose original, done/s/a.png," in said(
            home, place
        )
        shutil.copyfile(place, home.corrections / "tiny/a.png")
        assert "is not where a correction belongs" in said(home, home.corrections / "tiny/a.png")

    def test_files_that_are_not_ours(self, home: Home) -> None:
        """Are left alone."""
        (home.outbox / "holiday.jpg").write_text("x")
        (home.root / "x.png").write_text("x")
        assert "Watcher leaves it alone" in said(home, "outbox/holiday.jpg")
        assert "only what is put there is classified" in said(home, home.root / "x.png")
        assert "is one of the folders" in said(home, home.outbox)

    def test_a_copy_that_the_results_do_not_know(self, home: Home) -> None:
        """Its own words are told."""
        claim = value(home, "SELECT claim FROM images WHERE path = 'b.jpg'")
        change(home, "UPDATE images SET claim = 'abcdefghabcdefgh' WHERE path = 'b.jpg'")
        assert claim and "is an annotated copy (blue, by tiny/1) of a picture that the results" in said(
            home, "outbox/b.jpg"
        )

    def test_a_half_of_a_file(self, home: Home) -> None:
        """What to do about it."""
        (home.outbox / ".watcher-abcdefghabcdefgh.tmp").write_text("x")
        assert "is half of a file" in said(home, "outbox/.watcher-abcdefghabcdefgh.tmp")


class TestCommand:
    def test_the_real_command(self, home: Home) -> None:
        """A sentence for each file; names that are no text are clean."""
        homes.drop(home.inbox, b"caf\xe9.png", BAD)
        done = homes.watcher("explain", "a.png", os.fsdecode(b"caf\xe9.png"), home=home.root)
        assert (done.returncode, done.stderr) == (0, "")
        first, second = done.stdout.splitlines()
        assert first.startswith("s/a.png is done")
        assert second.startswith("caf%E9.png waits in the inbox")

    def test_values(self, home: Home) -> None:
        """For scripts: an object for each thing that a name can mean."""
        found: list[dict[str, Any]] = json.loads(run(home, "b.jpg", "--format", "json").stdout)
        assert [(item["file"], item["path"], item["row"]) for item in found] == [
            ("b.jpg", "b.jpg", row(home, "b.jpg").id)
        ]
        assert run(home, "").exit_code == run(home, "b.jpg", " ").exit_code == 2
        assert run(home, "b.jpg", "--format", "csv").stdout.startswith("file,path,row,sentence\n")

    def test_a_home_that_was_never_run(self, tmp_path: Path, tiny_home_models: Path) -> None:
        """There are no results, and that is no trouble."""
        home = homes.make(tmp_path, tiny_home_models)
        homes.drop(home.inbox, "x.png", homes.picture("red"))
        assert run(home, "x.png").exit_code == 0
        unknown = run(home, "done/y.png")
        assert (unknown.exit_code, unknown.output) == (
            1,
            "Nothing is known of done/y.png: no such file is here, and there are no results here yet.\n",
        )
        homes.drop(home.done, "y.png", homes.picture("red"))
        assert "is not in the inbox, and there are no results here yet: " in run(home, "done/y.png").output
        assert not (home.root / "watcher.db").exists()
