"""The database is damaged, locked, or read by somebody who never ends: no picture is lost or doubled by that."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import homes
import pytest
import tiny_model
from alembic import command
from lasting import said
from ledger import tally
from mounting import can_mount
from scenes import OTHER_DISK
from sqlalchemy import create_engine
from trying import ALL, PATIENCE, SEED

from watcher.home import Home, make_home, open_home
from watcher.results import connect, migrations, tables
from watcher.results.aside import set_aside
from watcher.service.daemon import Daemon
from watcher.service.status import status
from watcher.settings import Settings
from watcher.vision.encode import read_caption

PAGE = 4096
PICTURES = 200
TIMES = 150 if ALL else 30
WAYS = {
    "cut": "cut short",
    "emptied": "cut to nothing",
    "bytes": "with wrong bytes",
    "pages": "with pages overwritten",
    "zeros": "with zeros written over a part",
    "beginning": "whose beginning is overwritten",
    "exchanged": "with one page in another's place",
}
FORMS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}


def make(root: Path, models: Path) -> Home:
    settings = {
        "folders": {"models": str(models)},
        "intake": {"settle_seconds": 0, "rescan_seconds": 0.1, "watch": "scan"},
        "models": {"default": "tiny", "routes": {}},
        "inference": {"batch_size": 16},
    }
    make_home(root, Settings.model_validate(settings))
    return open_home(root)


def daemon(home: Home, stop: threading.Event) -> Daemon:
    return Daemon(home, lambda _: None, threading.Event(), stop, partial(tiny_model.load, home.models))


def run_once(home: Home) -> None:
    daemon(home, threading.Event()).run(once=True)


def file_of(home: Home) -> Path:
    return home.root / "watcher.db"


def ask(home: Home, query: str) -> list[tuple]:
    with closing(sqlite3.connect(file_of(home))) as connection:
        return connection.execute(query).fetchall()


def standing(home: Home) -> dict[str, bytes]:
    """What stands in outbox, done and failed."""
    return {
        str(path.relative_to(home.root)): path.read_bytes()
        for folder in (home.outbox, home.done, home.failed)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database") / "models"
    tiny_model.install(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Home:
    return make(tmp_path / "home", models)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, if there is such a thing."""
    near = OTHER_DISK if OTHER_DISK.is_dir() else tmp_path_factory.mktemp("quick")
    with tempfile.TemporaryDirectory(prefix="watcher-database-", dir=near) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def stocked(quick: Path, models: Path) -> Home:
    """200 pictures, done and failed, in groups, of several formats; some names differ only in their endings."""
    home = make(quick / "stocked", models)
    for n in range(PICTURES):
        ending = ["png", "jpg", "tif"][n % 3]
        data = homes.picture(["red", "green", "blue"][n % 3], n, FORMS[ending]) if n % 20 else b"none %d" % n
        homes.drop(home.inbox, f"s{n % 5}/p{n // 2}.{ending}", data)
    run_once(home)
    return home


def copied(home: Home, root: Path) -> Home:
    """The same home elsewhere; files of pictures, which nothing writes to, are links."""
    for path in home.root.rglob("*"):
        if path.is_file():
            target = root / path.relative_to(home.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copyfile if path.parent == home.root else os.link)(path, target)
    return open_home(root)


def damage(file: Path, way: str, chance: random.Random) -> None:
    """Breaks a database."""
    size = file.stat().st_size
    with file.open("r+b") as opened:

        def put(place: int, data: bytes) -> None:
            opened.seek(place)
            opened.write(data[: size - place])

        match way:
            case "cut":
                opened.truncate(chance.randrange(1, size))
            case "emptied":
                opened.truncate(0)
            case "bytes":
                for _ in range(chance.randrange(1, 40)):
                    put(chance.randrange(size), chance.randbytes(1))
            case "pages":
                for _ in range(chance.randrange(1, 6)):
                    put(chance.randrange(size // PAGE) * PAGE, chance.randbytes(PAGE))
            case "zeros":
                put(chance.randrange(size), bytes(chance.randrange(1, 40_000)))
            case "beginning":
                put(0, chance.randbytes(chance.choice([16, 100, PAGE, 5 * PAGE])))
            case "exchanged":
                one, other = (chance.randrange(size // PAGE) * PAGE for _ in range(2))
                opened.seek(one)
                put(other, opened.read(PAGE))


@PATIENCE
def test_a_database_that_is_damaged_in_any_way_costs_no_picture(stocked: Home, quick: Path) -> None:
    """Every picture has its one row again, nothing else has one, no file is touched, and new pictures are classified."""
    chance = random.Random(SEED)
    before, known = standing(stocked), dict(ask(stocked, "SELECT path, claim FROM images WHERE state = 'done'"))
    wanted = Counter(path for (path,) in ask(stocked, "SELECT path FROM images"))
    counted: dict[str, list[int]] = {}
    wrong = []
    for number in range(TIMES):
        home = copied(stocked, quick / str(number))
        way = list(WAYS)[number % len(WAYS)]
        damage(file_of(home), way, chance)
        homes.drop(home.inbox, "new/a.png", homes.picture("green", 1000 + number))
        run_once(home)
        found = Counter(path for (path,) in ask(home, "SELECT path FROM images"))
        lost, doubled = wanted + Counter(["new/a.png"]) - found, found - wanted - Counter(["new/a.png"])
        count = counted.setdefault(way, [0, 0, 0])
        for place, more in enumerate((1, lost.total(), doubled.total())):
            count[place] += more
        now = standing(home)
        claims = dict(ask(home, "SELECT path, claim FROM images WHERE state = 'done'"))
        if lost or doubled or ask(home, "PRAGMA integrity_check") != [("ok",)]:
            wrong.append((number, way, "rows", lost, doubled))
        if {path: now.get(path) for path in before} != before or len(now) != len(before) + 2:
            wrong.append((number, way, "files"))
        if {path: claim for path, claim in claims.items() if path != "new/a.png"} != known:
            wrong.append((number, way, "claims"))
        shutil.rmtree(home.root)
    for way, (tried, lost_, doubled_) in counted.items():
        tally(f"a database file {WAYS[way]}", tried=tried, lost=lost_, doubled=doubled_)
    assert wrong == []


def test_damage_in_the_middle_of_the_work_ends_the_daemon_and_the_next_start_rebuilds(daemons, tmp_path: Path) -> None:
    """With one clear line; pictures that it had claimed come through, each once."""
    home, log = daemons.make_home(tmp_path / "home"), tmp_path / "log"
    for n in range(60):
        homes.drop(home.inbox, f"{n}.png", homes.picture("red", n))
    daemons.start(home, log)
    homes.wait_for(lambda: len(homes.paths(home.done)) == 60, "the first are done")
    file = file_of(home)
    with closing(sqlite3.connect(file)) as other:  # so that the daemon must read the file again
        other.execute("PRAGMA user_version = 1")
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        with file.open("r+b") as opened:
            opened.seek(PAGE)
            opened.write(random.Random(SEED).randbytes(file.stat().st_size - PAGE))
    for n in range(60, 80):
        homes.drop(home.inbox, f"{n}.png", homes.picture("red", n))
    assert daemons.ended() == 1
    last = said(log).splitlines()[-1]
    assert last.startswith(f"watcher: the results database {file} is damaged (") and "rebuilds it" in last, last
    with daemons.running(home, log):
        homes.wait_for(lambda: len(homes.paths(home.done)) == 80, "all are done")
    assert len(set_aside(file)) == 1
    names = {f"{n}.png" for n in range(80)}
    rows = Counter(path for (path,) in ask(home, "SELECT path FROM images WHERE state = 'done'"))
    copies = Counter(read_caption(home.outbox / path).claim for path in homes.paths(home.outbox))
    tally(
        "a database damaged in the middle of the work",
        tried=1,
        lost=len(names - rows.keys()) + len(names - homes.paths(home.done)),
        doubled=rows.total() - len(rows) + copies.total() - len(copies),
    )
    assert rows.keys() == homes.paths(home.done) == homes.paths(home.outbox) == names
    assert rows.total() == copies.total() == len(copies) == 80


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("SELECT count(*) FROM images").fetchone()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(home: Home, begin: str) -> Iterator[None]:
    """Another process is in a transaction."""
    holding = [sys.executable, "-c", HOLD, str(file_of(home)), begin]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            other.stdin.close()


def test_a_database_locked_by_another_writer_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """For much longer than SQLite itself waits. Status tells of it; then it goes on by itself."""
    monkeypatch.setattr(connect, "BUSY_MS", 100)
    run_once(home)
    with homes.daemon_thread(home, load=partial(tiny_model.load, home.models)):
        with held(home, "BEGIN IMMEDIATE"):
            for n in range(40):
                homes.drop(home.inbox, f"{n}.png", homes.picture("red", n))
            [trouble] = homes.wait_for(lambda: status(home).troubles, "status tells of it")
            assert (trouble.what, "database is locked" in trouble.reason) == ("writing to the database", True)
            found = status(home)
            assert (found.done, found.waiting + found.claimed) == (0, 40)
        homes.wait_for(lambda: status(home).done == 40, "it goes on")
        homes.wait_for(lambda: not status(home).troubles, "the trouble is over")
    rows = Counter(path for (path,) in ask(home, "SELECT path FROM images"))
    tally("a database locked by another writer", tried=1, lost=40 - len(rows), doubled=rows.total() - len(rows))
    assert homes.paths(home.done) == rows.keys() and rows.total() == 40


def test_a_reader_that_never_ends_holds_nothing_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log grows meanwhile; once the reader has gone it is written back and cut."""
    monkeypatch.setattr(connect, "LARGEST_LOG", 200_000)
    pictures = 2000 if ALL else 300
    run_once(home)
    log = Path(f"{file_of(home)}-wal")
    with homes.daemon_thread(home, load=partial(tiny_model.load, home.models)):
        with held(home, "BEGIN"):
            for n in range(pictures):
                homes.drop(home.inbox, f"{n}.png", homes.picture("red", n))
            homes.wait_for(lambda: len(homes.paths(home.done)) == pictures, "all are done")
            with closing(sqlite3.connect(file_of(home), isolation_level=None)) as other:
                for _ in range(40):
                    other.execute("UPDATE images SET attempts = attempts + 1")
            grown = log.stat().st_size
        for n in range(3):
            homes.drop(home.inbox, f"more/{n}.png", homes.picture("blue", n))
            homes.wait_for(lambda: len(homes.paths(home.done)) == pictures + n + 1, "it is done")  # noqa: B023
        assert grown > 4_000_000
        assert log.stat().st_size <= 200_000
    rows = Counter(path for (path,) in ask(home, "SELECT path FROM images"))
    lost = pictures + 3 - len(rows)
    tally("a reader of the database that never ends", tried=1, lost=lost, doubled=rows.total() - len(rows))
    assert lost == 0 and rows.total() == len(rows)


def test_a_reader_from_before_an_upgrade_holds_nothing_up(home: Home) -> None:
    """It sees the old form to its end, while the daemon works with the new one."""
    engine = create_engine(f"sqlite:///{file_of(home)}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        command.upgrade(migrations.config(connection), "0002")
    engine.dispose()
    with held(home, "BEGIN"):
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        run_once(home)
    assert ask(home, "SELECT path FROM images") == [("a.png",)]
    assert ask(home, "SELECT version_num FROM alembic_version") == [(tables.SCHEMA,)]
    assert set_aside(file_of(home)) == []


@pytest.mark.mounts
def test_sqlite_on_a_network_share_is_refused_by_the_command(home: Home, tmp_path: Path) -> None:
    """The kernel's table of mounts says that the home is on NFS. One line, before anything is made there."""
    if not can_mount(tmp_path / "probe"):
        pytest.skip("nothing can be mounted here")
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 98:0 / / rw - ext4 /dev/sda1 rw\n37 36 0:50 / {home.root} rw - nfs4 server:/export rw\n")
    script = f'mount --bind {table} /proc/$$/mountinfo && exec "$0" -m watcher --home {home.root} run --once'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"watcher: {file_of(home)} is on a network file system, unsafe for SQLite: put it on a local disk or use "
        "PostgreSQL\n"
    )
    assert not file_of(home).exists()
    tally("a database on a network file system", tried=1)
