"""A damaged database is set aside and rebuilt at the daemon's start, and whatever it has lost from what is on the disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import crashes
import homes
import pytest
import stocked
from ledger import tally
from stocked import TODAY, add, add_failed, encoded, file_of, rows
from structlog.testing import capture_logs

from watcher.books.verify import verify
from watcher.errors import HomeError
from watcher.home import Home
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import look
from watcher.results import Database, DatabaseDamaged, SchemaTooNew, State, soundness
from watcher.results.aside import set_aside
from watcher.service import rebuilding
from watcher.service.from_disk import Refill, Refilled
from watcher.service.identity import identity
from watcher.service.kept import not_kept
from watcher.service.rebuilding import open_sound

COPY = "rebuilt from its annotated copy on 2026-11-24, after the database was damaged"
PAGE = 4096


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three classified pictures and one that failed."""
    made = stocked.make(tmp_path / "home", models={"routes": {"cells": "tiny"}})
    add(made, "a.png", encoded(1))
    add(made, "cells/slide-1/b.tif", encoded(2, "TIFF"))
    add(made, "cells/slide-1/c.jpg", encoded(3, "JPEG"))
    add_failed(made, "cells/bad.png")
    return made


def ruin(home: Home) -> bytes:
    """Leaves nothing of the database; what it is then."""
    file_of(home).write_bytes(b"this is no database " * 500)
    return file_of(home).read_bytes()


def rebuild(home: Home) -> None:
    open_sound(home, TODAY).close()


def files(home: Home) -> dict[str, bytes]:
    """All that people see, by path."""
    folders = home.inbox, home.outbox, home.done, home.failed
    return {str(at / path): (at / path).read_bytes() for at in folders for path in homes.paths(at)}


class TestFromTheDisk:
    def test_a_copy_tells_of_its_picture(self, home: Home) -> None:
        """The original in done/ tells how it was really called, its size and its content."""
        before, stood = rows(home), files(home)
        places = stocked.originals(home)
        ruin(home)
        rebuild(home)
        found = rows(home)
        assert found.keys() == before.keys()
        for path in ("a.png", "cells/slide-1/b.tif", "cells/slide-1/c.jpg"):
            old, new = before[path], found[path]
            assert (new.name, new.sha256, new.outbox_path) == (old.name, old.sha256, old.outbox_path)
            assert (new.model, new.model_version, new.label, new.score) == ("tiny", 1, "red", 0.625)
            assert (new.state, new.reason, new.finished_at) == (State.DONE, COPY, stocked.noon_text())
        assert found["cells/slide-1/b.tif"].grp == "slide-1"
        assert stocked.originals(home) == places
        assert files(home) == stood

    def test_a_note_tells_why_a_picture_failed(self, home: Home) -> None:
        ruin(home)
        rebuild(home)
        row = rows(home)["cells/bad.png"]
        assert row.state is State.FAILED
        assert row.reason == "it is cut short (rebuilt from its note on 2026-11-24, after the database was damaged)"
        assert stocked.originals(home)["cells/bad.png"] == "failed/cells/bad.png"

    def test_all_books_balance_then(self, home: Home) -> None:
        ruin(home)
        rebuild(home)
        assert list(verify(home, contents=True)) == []

    def test_a_note_without_its_picture_is_no_row(self, home: Home) -> None:
        """It was moved back into the inbox, or is another program's."""
        (home.failed / "cells/bad.png").unlink()
        (home.failed / "x.png").touch()
        (home.failed / "x.png.reason.txt").write_text("Why: I do not like it.")
        ruin(home)
        rebuild(home)
        assert State.FAILED not in {row.state for row in rows(home).values()}

    def test_copies_that_are_no_results_are_no_rows(self, home: Home) -> None:
        """What `watcher classify` has annotated, other pictures, and claims that the daemon is yet to end."""
        before = rows(home)
        stocked.draw(home, "by-hand.png", encoded(7), "")
        (home.outbox / "other.png").write_bytes(encoded(8))
        claims = ClaimFolder(home.inbox, identity(home.root))
        homes.drop(home.inbox, "in-work.png", encoded(9))
        seen = look(home.inbox, "in-work.png")
        claim = claims.claim(seen) if seen else None
        assert claim
        stocked.draw(home, "in-work.png", encoded(9), claim.id)
        ruin(home)
        rebuild(home)
        assert rows(home).keys() == before.keys()

    def test_pictures_whose_copies_could_be_called_the_same_are_told_apart(self, home: Home) -> None:
        """By their pixels; the copy of the second to come has a part of its claim's id in its name."""
        second, first = encoded(11, "JPEG"), encoded(12, "TIFF")
        add(home, "same.tif", first)
        add(home, "same.jpg", second)
        add(home, "again.png", encoded(13))
        assert len(homes.paths(home.outbox)) == 6
        before = rows(home)
        ruin(home)
        rebuild(home)
        found = rows(home)
        for path in ("same.tif", "same.jpg", "again.png"):
            assert (found[path].sha256, found[path].outbox_path) == (before[path].sha256, before[path].outbox_path)

    def test_an_original_under_a_name_with_its_claim(self, home: Home) -> None:
        """Its own name was taken: so it is its own, whatever else is called alike."""
        claim = "abcdefgh" + "abcdefgh"
        place = home.done / "a~abcdefgh.png"
        place.write_bytes(encoded(21))
        add(home, "a.png", encoded(21), claim=claim, at=place)
        before = dict(_by_claim(home))
        assert len(before) == 5
        ruin(home)
        rebuild(home)
        assert {row[1:] for row in before.items() if "done/" in str(row)} <= {row[1:] for row in _by_claim(home)}
        assert dict(_by_claim(home))[claim] == ("a.png", "done/a~abcdefgh.png")

    def test_an_original_that_is_gone_costs_the_row_only_what_it_alone_knew(self, home: Home) -> None:
        (home.done / "a.png").unlink()
        ruin(home)
        rebuild(home)
        row = rows(home)["a.png"]
        assert (row.label, row.sha256, stocked.originals(home)["a.png"]) == ("red", None, None)

    def test_another_picture_under_the_same_name_is_not_taken_for_the_original(self, home: Home) -> None:
        """Where two copies could be meant, the pixels say which."""
        (home.done / "a.png").write_bytes(encoded(99))
        stocked.draw(home, "a.png", encoded(99), "q" * 16)
        ruin(home)
        rebuild(home)
        assert {claim for claim, (_, place) in _by_claim(home) if place == "done/a.png"} == {"q" * 16}

    def test_the_version_is_that_of_the_package_if_it_is_there(
        self, home: Home, tiny_home_models: Path, tmp_path: Path
    ) -> None:
        """With its digest, so that content that it classified is known again."""
        shutil.copytree(tiny_home_models / "tiny", home.models / "tiny")
        ruin(home)
        rebuild(home)
        [(_, model, version, digest, *_)] = stocked.table(file_of(home), "model_versions")
        assert (model, version) == ("tiny", 1)
        assert digest in (home.models / "tiny" / "1" / "model.json").read_text()

    def test_originals_that_stay_in_the_inbox_are_known_again(self, tmp_path: Path) -> None:
        """So they are not classified twice; a new picture under such a name still waits."""
        home = stocked.make(tmp_path / "home", intake={"originals": "keep"})
        for seed, name in enumerate(("a.png", "s/b.tif", "s/c.jpg")):
            data = encoded(seed, {"png": "PNG", "tif": "TIFF", "jpg": "JPEG"}[name[-3:]])
            homes.drop(home.inbox, name, data)
            add(home, name, data, at=home.inbox / name)
        homes.drop(home.inbox, "a.png", encoded(40))
        ruin(home)
        with open_sound(home, TODAY) as database:
            here = [seen for name in ("a.png", "s/b.tif", "s/c.jpg") if (seen := look(home.inbox, name))]
            assert [seen.path for seen in not_kept(here, database)] == ["a.png"]
        assert rows(home)["s/b.tif"].sha256


def _by_claim(home: Home) -> list[tuple[str, tuple[str, str | None]]]:
    with closing(sqlite3.connect(file_of(home))) as connection:
        found = connection.execute("SELECT claim, path, original_path FROM images").fetchall()
    return [(claim, (path, place)) for claim, path, place in found]


class TestFromTheFile:
    def test_what_can_be_read_stays_as_it_was(self, home: Home) -> None:
        """With its numbers, all its labels, the runs of jobs, and results of which nothing is on the disk."""
        stocked.many(home, 300)
        before = {name: stocked.table(file_of(home), name) for name in ("images", "predictions", "model_versions")}
        stocked.garble(file_of(home), 0, 100)
        rebuild(home)
        assert {name: stocked.table(file_of(home), name) for name in before} == before

    def test_a_lost_row_comes_from_its_copy(self, home: Home) -> None:
        """Among others that were read."""
        stocked.many(home, 300)
        for seed in range(40):
            add(home, f"more/{seed}.png", encoded(100 + seed))
        before = rows(home)
        with closing(sqlite3.connect(file_of(home))) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        data = file_of(home).read_bytes()
        claim = next(row[1] for row in stocked.table(file_of(home), "images") if row[3] == "more/20.png").encode()
        page = next(at // PAGE for at in range(0, len(data), PAGE) if claim in data[at : at + PAGE] and data[at] == 13)
        stocked.garble(file_of(home), page * PAGE, PAGE)
        rebuild(home)
        found = rows(home)
        rebuilt = {path for path, row in found.items() if row.reason == COPY}
        assert "more/20.png" in rebuilt and len(rebuilt) < 40
        assert {path for path in before if path.startswith("more/")} <= found.keys() <= before.keys()
        assert all(found[path].id == before[path].id for path in found.keys() - rebuilt)

    def test_rows_whose_version_is_lost_get_it_from_their_copies(self, home: Home) -> None:
        with closing(sqlite3.connect(file_of(home))) as connection, connection:
            connection.execute("DELETE FROM model_versions")
        stocked.garble(file_of(home), 0, 100)
        rebuild(home)
        assert {
            (row.model, row.model_version, row.label) for row in rows(home).values() if row.state is State.DONE
        } == {("tiny", 1, "red")}
        assert {row[2] for row in stocked.table(file_of(home), "predictions")} == {1, 2, 3}

    def test_what_a_copy_says_is_believed(self, home: Home) -> None:
        """Of its label, of its place and of its claim."""
        claims = dict(_by_claim(home))
        with closing(sqlite3.connect(file_of(home))) as connection, connection:
            connection.execute("UPDATE predictions SET label = 'rEd' WHERE rank = 1 AND image_id = 1")
            connection.execute("UPDATE images SET outbox_path = '(utbox/a.png' WHERE id = 1")
            connection.execute("UPDATE images SET claim = 'a' || substr(claim, 1, 15) WHERE id = 2")
        stocked.garble(file_of(home), 0, 100)
        rebuild(home)
        assert (rows(home)["a.png"].label, rows(home)["a.png"].outbox_path) == ("red", "outbox/a.png")
        assert rows(home)["a.png"].reason is None
        assert dict(_by_claim(home)) == claims

    def test_a_failed_picture_whose_row_does_not_say_where_it_is(self, home: Home) -> None:
        """It stands beside its note, and gets no second row."""
        with closing(sqlite3.connect(file_of(home))) as connection, connection:
            connection.execute("UPDATE images SET original_path = 'failed/cells/baD.png' WHERE state = 'failed'")
        stocked.garble(file_of(home), 0, 100)
        rebuild(home)
        assert stocked.originals(home)["cells/bad.png"] == "failed/cells/bad.png"
        assert rows(home)["cells/bad.png"].reason == "it is cut short"

    def test_a_newer_database_is_left_alone(self, home: Home) -> None:
        """Damaged or not: this Watcher would leave out what it does not know."""
        stocked.many(home, 300)
        with closing(sqlite3.connect(file_of(home))) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        stocked.garble(file_of(home), 70 * PAGE, 5 * PAGE)
        with pytest.raises(SchemaTooNew):
            rebuild(home)
        assert set_aside(file_of(home)) == []


class TestSetAside:
    def test_the_damaged_file_stays_as_it_was(self, home: Home) -> None:
        """With its log, under a name with the time; a note tells what was found."""
        damaged = ruin(home)
        soundness.log_of(file_of(home)).write_bytes(b"a log")
        rebuild(home)
        aside = Path(f"{file_of(home)}.damaged-20261124T083005Z")
        assert set_aside(file_of(home)) == [aside]
        assert aside.read_bytes() == damaged
        assert Path(f"{aside}-wal").read_bytes() == b"a log"
        note = Path(f"{aside}.reason.txt").read_text()
        assert "was damaged: file is not a database" in note
        assert "rows made from annotated copies:                 3" in note
        assert "rows made from notes of failed pictures:         1" in note

    def test_a_second_one_takes_another_name(self, home: Home) -> None:
        """Nothing that was set aside is ever overwritten."""
        kept = []
        for _ in range(3):
            kept.append(ruin(home) + bytes(len(kept)))
            file_of(home).write_bytes(kept[-1])
            rebuild(home)
        assert [path.read_bytes() for path in set_aside(file_of(home))] == kept

    def test_it_is_said_loudly(self, home: Home) -> None:
        ruin(home)
        with capture_logs() as logs:
            rebuild(home)
        assert [entry["log_level"] for entry in logs] == ["error", "error"]
        assert (logs[1]["read"], logs[1]["from_copies"], logs[1]["from_notes"]) == (0, 3, 1)
        assert logs[1]["set_aside"].endswith("watcher.db.damaged-20261124T083005Z")

    def test_status_tells_of_it_until_it_is_deleted(self, home: Home) -> None:
        """Also as JSON."""
        ruin(home)
        rebuild(home)
        [aside] = set_aside(file_of(home))
        said = f"has been rebuilt; {aside}.reason.txt tells what was lost. Delete {aside} and the files whose"
        assert said in homes.watcher("status", home=home.root).stdout
        assert homes.watcher_json("status", home=home.root)["databases_set_aside"] == [str(aside)]
        aside.unlink()
        assert "rebuilt" not in homes.watcher("status", home=home.root).stdout

    def test_who_reads_meanwhile_is_told_what_comes(self, home: Home) -> None:
        """One sentence, no traceback."""
        ruin(home)
        for command in ("results", "status"):
            done = homes.watcher(command, home=home.root)
            assert done.returncode == 1
            assert done.stderr.strip() == (
                f"watcher: the results database {file_of(home)} is damaged (file is not a database): the next start of "
                "`watcher run` sets it aside and rebuilds it"
            )

    def test_without_the_outbox_nothing_is_rebuilt(self, home: Home) -> None:
        """Its share may be away: an empty database would be wrong for good."""
        damaged = ruin(home)
        home.outbox.rename(home.root / "away")
        with pytest.raises(HomeError, match=r"cannot be rebuilt without .*outbox: mount its share or, if"):
            rebuild(home)
        assert file_of(home).read_bytes() == damaged
        (home.root / "away").rename(home.outbox)
        rebuild(home)
        assert len(rows(home)) == 4

    def test_a_file_that_is_gone_is_made_from_the_disk(self, home: Home) -> None:
        """And loudly: somebody may have it elsewhere."""
        before = {row.path: row.state for row in rows(home).values()}
        for path in home.root.glob("watcher.db*"):
            path.unlink()
        with capture_logs() as logs:
            rebuild(home)
        assert {row.path: row.state for row in rows(home).values()} == before
        assert {line["reason"] for line in logs if line["log_level"] == "error"} == {"it was gone"}

    def test_an_empty_file_is_rebuilt_only_if_there_was_anything(self, home: Home, tmp_path: Path) -> None:
        """A daemon that was killed at its very first start leaves one, too."""
        file_of(home).write_bytes(b"")
        rebuild(home)
        assert len(rows(home)) == 4 and len(set_aside(file_of(home))) == 1
        fresh = stocked.make(tmp_path / "fresh")
        file_of(fresh).write_bytes(b"")
        rebuild(fresh)
        assert rows(fresh) == {} and set_aside(file_of(fresh)) == []


class TestGarbledLog:
    @pytest.fixture
    def torn(self, home: Home) -> Home:
        """The newest results are in the log of a daemon that was killed, and the log is garbled in the middle."""
        file, keep = file_of(home), home.root / "keep"
        keep.mkdir()
        with closing(sqlite3.connect(file)) as connection:  # holds the log while others come and go
            connection.execute("SELECT * FROM images").fetchone()
            add(home, "late.png", encoded(50))
            add(home, "later.png", encoded(51))
            log = soundness.log_of(file)
            shutil.copyfile(file, keep / "db")
            shutil.copyfile(log, keep / "log")
        shutil.copyfile(keep / "db", file)
        shutil.copyfile(keep / "log", log)
        stocked.garble(log, log.stat().st_size // 3, 50)
        return home

    def test_what_it_had_is_taken_from_the_disk(self, torn: Home) -> None:
        """SQLite itself says nothing. The database is sound, and stays."""
        with capture_logs() as logs:
            rebuild(torn)
        found = rows(torn)
        assert len(found) == 6 and found["later.png"].reason == COPY
        assert set_aside(file_of(torn)) == []
        assert "had lost its last results" in logs[0]["event"]
        assert not soundness.is_in_doubt(file_of(torn))
        assert list(verify(torn)) == []

    def test_it_is_not_forgotten_by_a_start_that_is_killed(self, torn: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite begins a new log as soon as it is used."""
        monkeypatch.setattr(rebuilding, "_ask_the_disk", _die)
        with pytest.raises(SystemExit):
            rebuild(torn)
        monkeypatch.undo()
        rebuild(torn)
        assert len(rows(torn)) == 6


def _die(*_: object) -> None:
    raise SystemExit


class TestInDoubt:
    def test_damage_that_somebody_has_met_is_looked_for(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a file too large to be looked at at every start."""
        stocked.many(home, 300)
        monkeypatch.setattr(soundness, "WHOLLY_BYTES", 0)
        monkeypatch.setattr(soundness, "BY_PAGES_BYTES", 0)
        stocked.garble(file_of(home), 60 * PAGE, 20 * PAGE)
        rebuild(home)
        assert set_aside(file_of(home)) == []
        with pytest.raises(DatabaseDamaged), open_sound(home, TODAY) as database, database.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM images, predictions ORDER BY label").all()
        rebuild(home)
        assert len(set_aside(file_of(home))) == 1
        assert not soundness.is_in_doubt(file_of(home))

    def test_a_false_alarm_ends(self, home: Home) -> None:
        soundness.doubt(file_of(home), "somebody was wrong")
        rebuild(home)
        assert not soundness.is_in_doubt(file_of(home)) and len(rows(home)) == 4


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import shutil
import stocked, test_rebuilding as t
from watcher.cli import logs
from watcher.home import open_home
from watcher.service.rebuilding import open_sound
import alembic.command, alembic.runtime.migration

logs.configure()
template = open_home(Path({template!r}))
wanted = stocked.rows(template)
stocked.garble(Path(shutil.copyfile(stocked.file_of(template), {damaged!r})), 0, 5000)
damaged = Path({damaged!r}).read_bytes()
open_sound(open_home(Path(shutil.copytree(template.root, {other!r}))), stocked.TODAY).close()

def prepare(folder):
    shutil.copytree(template.root, folder / "home")
    home = open_home(folder / "home")
    stocked.garble(stocked.file_of(home), 0, 5000)

def work(folder):
    open_sound(open_home(folder / "home"), stocked.TODAY).close()

def check(folder):
    home = open_home(folder / "home")
    work(folder)
    assert stocked.rows(home).keys() == wanted.keys()
    assert t.files(home).keys() == {{str(home.root / Path(path).relative_to(template.root)) for path in t.files(template)}}
    beside = {{path.name.removesuffix("-wal").removesuffix("-shm") for path in home.root.glob("watcher.db*")}}
    assert beside == {{"watcher.db", t.ASIDE, t.ASIDE + ".reason.txt"}}, beside
    assert (home.root / t.ASIDE).read_bytes() == damaged
    shutil.rmtree(folder)
"""
ASIDE = "watcher.db.damaged-20261124T083005Z"


def test_killed_at_any_step_the_next_start_goes_on(tmp_path: Path) -> None:
    """The damaged file is kept once, as it was, and every picture has its row."""
    home = stocked.make(tmp_path / "home")
    add(home, "a.png", encoded(1))
    add_failed(home, "bad.png")
    with closing(sqlite3.connect(file_of(home))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    script = SCRIPT.format(
        tests=os.path.dirname(__file__),
        template=str(home.root),
        other=str(tmp_path / "other"),
        damaged=str(tmp_path / "damaged"),
    )
    (tmp_path / "crashes").mkdir()
    tried = crashes.crash_before_some_steps(script, tmp_path / "crashes")
    tally("SIGKILL while a damaged database is rebuilt", tried=tried)
    assert tried > 50 / crashes.EVERY


def test_a_copy_whose_name_cannot_be_written_down_puts_no_row_right(home: Home) -> None:
    """It is counted as such neither in the note nor in the log."""
    os.rename(home.outbox / "a.png", home.outbox / os.fsdecode(b"caf\xe9.png"))
    before = rows(home)
    with Database.open(home.settings.database.url, home.root) as database:
        assert Refill(home, database, TODAY).run() == Refilled()
    assert rows(home) == before
    os.rename(home.outbox / os.fsdecode(b"caf\xe9.png"), home.outbox / "moved.png")
    with Database.open(home.settings.database.url, home.root) as database:
        assert Refill(home, database, TODAY).run() == Refilled(corrected=1)
    assert rows(home)["a.png"].outbox_path == "outbox/moved.png"
