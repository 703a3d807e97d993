"""A damaged SQLite file is noticed, and what can be read out of it is read; what cannot is passed over."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import stocked
from sqlalchemy import text

from watcher.home import Home
from watcher.results import Database, DatabaseDamaged, DatabaseUnavailable, State, log_file, soundness
from watcher.results.row_rules import TABLES, columns_of
from watcher.results.salvage import Salvaged, salvage

PAGE = 4096
PICTURES = 300
URL = "sqlite:///watcher.db"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 300 pictures."""
    home = stocked.make(tmp_path_factory.mktemp("sound"))
    stocked.many(home, PICTURES)
    return stocked.file_of(home)


@pytest.fixture
def damaged(sound: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(sound, tmp_path / "damaged.db")


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A new database to read rows into."""
    (tmp_path / "new").mkdir()
    return stocked.file_of(stocked.make(tmp_path / "new"))


def tables(file: Path) -> dict[str, set[tuple[object, ...]]]:
    """What is not derived from the rest."""
    return {name: stocked.table(file, name, columns_of(name)) for name in TABLES}


class TestSalvage:
    def test_all_rows_come_out_of_a_sound_file(self, sound: Path, blank: Path) -> None:
        assert salvage(sound, blank) == Salvaged(PICTURES, 0)
        assert tables(blank) == tables(sound)

    def test_whichever_page_is_garbled_all_others_are_read(self, sound: Path, damaged: Path, blank: Path) -> None:
        """Nothing comes out that was not in the file, and all that is lost stood on that page."""
        whole, empty, data = tables(sound), blank.read_bytes(), sound.read_bytes()
        for page in range(len(data) // PAGE):
            damaged.write_bytes(data)
            blank.write_bytes(empty)
            stocked.garble(damaged, page * PAGE, PAGE, seed=page)
            salvage(damaged, blank)
            found = tables(blank)
            assert all(found[name] <= whole[name] for name in TABLES), page
            assert PICTURES - len(found["images"]) < 30, page
            assert len(whole["predictions"]) - len(found["predictions"]) < 200, page
            assert stocked.table(blank, "alembic_version") == {("0005",)}

    @pytest.mark.parametrize("size", [16, 100, PAGE])
    def test_a_lost_beginning_costs_nothing(self, sound: Path, damaged: Path, blank: Path, size: int) -> None:
        """That of a new database takes its place; the damaged file is not touched."""
        stocked.garble(damaged, 0, size)
        before = damaged.read_bytes()
        assert salvage(damaged, blank).pictures == PICTURES
        assert tables(blank) == tables(sound)
        assert damaged.read_bytes() == before
        assert sorted(path.name for path in blank.parent.glob("*.copy*")) == []

    def test_a_file_that_was_cut_gives_what_is_left(self, sound: Path, damaged: Path, blank: Path) -> None:
        with damaged.open("r+b") as file:
            file.truncate(damaged.stat().st_size // 2 + 77)
        assert 0 < salvage(damaged, blank).pictures < PICTURES
        assert tables(blank)["images"] < tables(sound)["images"]

    def test_garbage_gives_nothing(self, damaged: Path, blank: Path) -> None:
        damaged.write_bytes(random.Random(1).randbytes(100_000))
        assert salvage(damaged, blank).pictures == 0

    def test_what_stands_in_the_log_is_read_too(self, sound: Path, tmp_path: Path, blank: Path) -> None:
        """A daemon that was killed leaves its newest rows there."""
        damaged = tmp_path / "damaged.db"
        with closing(sqlite3.connect(shutil.copyfile(sound, tmp_path / "live.db"))) as live, live:
            live.execute("UPDATE images SET reason = 'news' WHERE id = 7")
            live.commit()
            shutil.copyfile(tmp_path / "live.db", damaged)
            shutil.copyfile(tmp_path / "live.db-wal", tmp_path / "damaged.db-wal")
        salvage(damaged, blank)
        assert (7, "news") in {(row[0], row[11]) for row in stocked.table(blank, "images")}

    @pytest.mark.parametrize(
        "change",
        [
            "claim = 'short'",
            "claim = upper(claim)",
            "name = 'another.png'",
            "path = '../' || path",
            "path = path || char(7), name = name || char(7)",
            "grp = 'elsewhere'",
            "sha256 = 'abc'",
            "size = -1",
            "size = 'big'",
            "sha256 = CAST(x'ff00' AS TEXT)",
            "finished_at = 'yesterday'",
            "received_at = '2026-13-01T00:00:00.000000Z'",
            "state = 'failed', reason = NULL",
            "outbox_path = ''",
            "kept = 'yes'",
        ],
    )
    def test_a_row_that_breaks_our_rules_is_left_out(self, damaged: Path, blank: Path, change: str) -> None:
        """With its labels; all others are read."""
        with closing(sqlite3.connect(damaged)) as connection, connection:
            connection.execute(f"UPDATE images SET {change} WHERE id = 7")
        assert salvage(damaged, blank) == Salvaged(PICTURES - 1, 1)
        assert 7 not in {row[0] for row in stocked.table(blank, "images") | stocked.table(blank, "predictions")}

    def test_labels_behind_a_gap_are_left_out(self, damaged: Path, blank: Path) -> None:
        """The third best is not the second."""
        with closing(sqlite3.connect(damaged)) as connection, connection:
            connection.execute("UPDATE predictions SET score = 7 WHERE image_id = 7 AND rank = 2")
        salvage(damaged, blank)
        assert [row[2] for row in stocked.table(blank, "predictions") if row[0] == 7] == [1]


class TestLog:
    """SQLite's log: whether it holds what SQLite passes over without a word."""

    @pytest.fixture
    def live(self, tmp_path: Path) -> Iterator[tuple[sqlite3.Connection, Path]]:
        """A database with a log of thirty transactions."""
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (x)")
            for n in range(30):
                connection.execute("INSERT INTO t VALUES (?)", (random.Random(n).randbytes(3000),))
                connection.commit()
            yield connection, tmp_path / "a.db-wal"

    def test_a_sound_log(self, live: tuple[sqlite3.Connection, Path], tmp_path: Path) -> None:
        """Of a live database; none at all; one with nothing in it."""
        assert not log_file.is_garbled(live[1])
        assert not log_file.is_garbled(tmp_path / "none-wal")
        (tmp_path / "empty-wal").touch()
        assert not log_file.is_garbled(tmp_path / "empty-wal")

    def test_whichever_byte_is_wrong(self, live: tuple[sqlite3.Connection, Path], tmp_path: Path) -> None:
        data = live[1].read_bytes()
        chance = random.Random(3)
        for place in [0, 9, 17, 25, 33, 41, 49, *chance.sample(range(len(data)), 40)]:
            changed = bytearray(data)
            changed[place] ^= 1
            (tmp_path / "b-wal").write_bytes(changed)
            assert log_file.is_garbled(tmp_path / "b-wal"), place

    @pytest.mark.parametrize("cut", [10, 31, 100, 5000])
    def test_a_log_that_was_cut(self, live: tuple[sqlite3.Connection, Path], tmp_path: Path, cut: int) -> None:
        (tmp_path / "b-wal").write_bytes(live[1].read_bytes()[: cut if cut < 50 else -cut])
        assert log_file.is_garbled(tmp_path / "b-wal")

    def test_what_is_left_of_an_earlier_log_is_no_damage(self, live: tuple[sqlite3.Connection, Path]) -> None:
        """A log that begins anew is written over the old one, whose end stays."""
        connection, log = live
        size = log.stat().st_size
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("DELETE FROM t WHERE rowid = 1")
        connection.commit()
        assert log.stat().st_size == size
        assert not log_file.is_garbled(log)


class TestSoundness:
    def test_a_sound_file(self, sound: Path) -> None:
        assert soundness.damage_of(sound, wholly=True) is None
        assert not soundness.is_blank(sound)

    def test_a_file_with_nothing_in_it(self, tmp_path: Path) -> None:
        """Or with no table, as a daemon leaves it that was killed at once."""
        (tmp_path / "a.db").touch()
        assert soundness.is_blank(tmp_path / "a.db")
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        assert soundness.is_blank(tmp_path / "a.db")

    @pytest.mark.parametrize("table", ["job_runs", "predictions", "alembic_version"])
    def test_a_missing_table_is_damage(self, damaged: Path, table: str) -> None:
        """Of an older form only its own tables are asked for."""
        with closing(sqlite3.connect(damaged)) as connection:
            connection.executescript(f"DROP VIEW results; DROP TABLE {table}")
        assert soundness.damage_of(damaged, wholly=False) == f"the table {table} is missing"
        if table == "job_runs":
            with closing(sqlite3.connect(damaged)) as connection, connection:
                connection.execute("UPDATE alembic_version SET version_num = '0002'")
            assert soundness.damage_of(damaged, wholly=False) is None

    def test_an_index_that_disagrees_with_its_table_is_damage(self, damaged: Path) -> None:
        """SQLite alone would look up a claim in it, find none, and the picture would be recorded twice."""
        data = damaged.read_bytes()
        claim = sorted(row[1] for row in stocked.table(damaged, "images"))[150].encode()
        assert data.count(claim) == 2
        damaged.write_bytes(data.replace(claim, b"a" * 16, 1))
        assert "index" in (soundness.damage_of(damaged, wholly=False) or "")

    def test_a_text_that_is_none_is_damage(self, damaged: Path) -> None:
        """SQLite takes no notice of that, and Python cannot read the row."""
        with closing(sqlite3.connect(damaged)) as connection, connection:
            connection.execute("UPDATE images SET reason = CAST(x'ff' AS TEXT) WHERE id = 7")
        assert soundness.damage_of(damaged, wholly=False) == "the table images has a text that is none"

    def test_a_large_file_is_looked_at_by_its_pages(self, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A very large one only if its log was left, or somebody has met damage."""
        stocked.garble(damaged, 9 * PAGE, PAGE)
        monkeypatch.setattr(soundness, "WHOLLY_BYTES", 0)
        assert soundness.damage_of(damaged, wholly=False)
        monkeypatch.setattr(soundness, "BY_PAGES_BYTES", 0)
        assert soundness.damage_of(damaged, wholly=False) is None
        assert soundness.damage_of(damaged, wholly=True)
        soundness.log_of(damaged).write_bytes(b"\0" * 40)
        assert soundness.damage_of(damaged, wholly=False)
        assert soundness.is_in_doubt(damaged)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = stocked.make(tmp_path / "home")
    stocked.many(made, PICTURES)
    return made


class TestDatabase:
    def test_who_meets_damage_says_what_comes_of_it(self, home: Home) -> None:
        """One sentence, and a note for the daemon's next start, which then looks at everything."""
        file = stocked.file_of(home)
        with Database.open(URL, home.root, readonly=True) as database:
            file.write_bytes(file.read_bytes()[:PAGE] + b"\7" * (file.stat().st_size - PAGE))
            with pytest.raises(DatabaseDamaged, match=r"malformed\): the next start of `watcher run` sets it aside"):
                database.counts()
        assert soundness.is_in_doubt(file)
        soundness.trust(file)
        file.write_bytes(b"no database" * 1000)
        with pytest.raises(DatabaseDamaged, match=r"watcher\.db is damaged \(file is not a database\)"):
            Database.open(URL, home.root, readonly=True)
        assert soundness.is_in_doubt(file)

    def test_a_text_that_is_none_is_met_as_damage(self, home: Home) -> None:
        with Database.open(URL, home.root) as database:
            with database.writing() as connection:
                connection.execute(text("UPDATE images SET path = CAST(x'ff' AS TEXT), kept = '1' WHERE id = 7"))
            with pytest.raises(DatabaseDamaged), database.reading() as connection:
                connection.execute(text("SELECT path FROM images WHERE id = 7")).all()
        assert soundness.is_in_doubt(stocked.file_of(home))

    def test_a_file_that_took_its_place_is_written_to_at_once(self, home: Home, tmp_path: Path) -> None:
        """What would be written to the file set aside would be lost; readers see the new one, too."""
        file = stocked.file_of(home)
        new = stocked.file_of(stocked.make(tmp_path / "other"))
        with Database.open(URL, home.root) as writer, Database.open(URL, home.root, readonly=True) as reader:
            assert writer.counts()[State.VANISHED] == reader.counts()[State.VANISHED] == PICTURES
            file.rename(tmp_path / "aside.db")
            for ending in ("-wal", "-shm"):
                Path(f"{file}{ending}").rename(tmp_path / f"aside.db{ending}")
            new.rename(file)
            with writer.writing() as connection:
                connection.execute(text("UPDATE images SET reason = 'new'"))
            assert writer.counts()[State.VANISHED] == reader.counts()[State.VANISHED] == 0

    def test_a_file_that_is_gone_is_waited_for(self, home: Home, tmp_path: Path) -> None:
        """It is not made anew, and nothing is written to what nobody can see any more."""
        file = stocked.file_of(home)
        with Database.open(URL, home.root) as database:
            database.counts()
            file.rename(tmp_path / "away.db")
            with pytest.raises(DatabaseUnavailable, match="its file is gone: put it back"):
                database.counts()
            assert not file.exists()
            (tmp_path / "away.db").rename(file)
            assert database.counts()[State.VANISHED] == PICTURES

    def test_a_log_that_once_grew_does_not_stay_large(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """While a reader stays it grows; once it has gone, the next but one transaction cuts it."""
        monkeypatch.setattr("watcher.results.connect.LARGEST_LOG", 100_000)
        file = stocked.file_of(home)
        log = soundness.log_of(file)
        write = text("UPDATE images SET size = size + 1")
        with Database.open(URL, home.root) as database:
            with closing(sqlite3.connect(file, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM images").fetchone()
                for _ in range(60):
                    with database.writing() as connection:
                        connection.execute(write)
                assert log.stat().st_size > 2_000_000
                reader.execute("COMMIT")
            for _ in range(2):
                with database.writing() as connection:
                    connection.execute(text("UPDATE images SET size = size + 1 WHERE id = 1"))
            assert log.stat().st_size <= 100_000
