"""A backup holds all of a home but its pictures, is whole or not there, and makes a home again."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import homes
import pytest
import stocked

from watcher.backup import making
from watcher.backup.making import Made, make
from watcher.backup.restoring import read, restore
from watcher.books.verify import verify
from watcher.errors import HomeError
from watcher.home import Home, exists, open_home
from watcher.results import Database, DatabaseDamaged, copying
from watcher.service.identity import identity

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fill(home: Home) -> Home:
    """A model with two versions, a job, a correction, and what no backup needs."""
    for version in (1, 2):
        put(home.models / f"tiny/{version}/model.json", b"{}")
        put(home.models / f"tiny/{version}/model.keras", os.urandom(3000))
    put(home.models / "tiny/current", b"2\n")
    put(home.models / "tiny/.training-1/cache", b"x" * 1000)
    put(home.models / "tiny/.lock", b"")
    put(home.jobs / "nightly.toml", b'model = "tiny"\n')
    put(home.jobs / "log/nightly-1.log", b"it went well\n")
    put(home.corrections / "tiny/red/odd\nname\\.png", homes.picture())
    put(home.corrections / "tiny/red/half.png.part", b"x")
    for seed, path in enumerate(("a.png", "s/b.png")):
        stocked.add(home, path, stocked.encoded(seed))
    stocked.add_failed(home, "bad.png")
    return home


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return fill(stocked.make(tmp_path / "home"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def made(home: Home, place: Path, **more: bool) -> Made:
    return make(home, place, NOON, **more)


def names(file: Path) -> set[str]:
    with tarfile.open(file) as tar:
        return set(tar.getnames())


def test_it_holds_what_could_not_be_made_again(home: Home, store: Path) -> None:
    """And neither pictures, nor what is unfinished; only its owner may read it; nothing else is left."""
    done = made(home, store)
    assert (done.pictures, done.models, done.jobs, done.corrections, done.elsewhere) == (3, 2, 1, 1, None)
    assert done.file.name == "watcher-home-20261123T120000Z.tar"
    assert names(done.file) == {
        "backup.json", "watcher.toml", ".watcher-id", "watcher.db", "jobs/nightly.toml", "jobs/log/nightly-1.log",
        "models/tiny/1/model.json", "models/tiny/1/model.keras", "models/tiny/2/model.json",
        "models/tiny/2/model.keras", "models/tiny/current", "corrections/tiny/red/odd\nname\\.png", "SHA256SUMS",
    }  # fmt: skip
    assert stat.S_IMODE(done.file.stat().st_mode) == 0o600
    assert [path.name for path in store.iterdir()] == [done.file.name]


def test_other_programs_open_and_check_it(home: Home, store: Path, tmp_path: Path) -> None:
    """What tar unpacks is a home, and sha256sum finds every file right."""
    done = made(home, store / "today.tar")
    new = tmp_path / "new"
    new.mkdir()
    subprocess.run(["tar", "-xf", done.file, "-C", new], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=new, check=True)
    with Database.open("sqlite:///watcher.db", new, readonly=True) as database:
        assert sum(database.counts().values()) == 3
    assert identity(new) == identity(home.root)
    assert open_home(new).settings == home.settings


def test_what_is_restored_balances_once_the_pictures_are_there(home: Home, store: Path, tmp_path: Path) -> None:
    """Nothing is to be repaired where nothing has happened since."""
    backup = read(made(home, store).file)
    shutil.move(home.root, tmp_path / "old")
    done = restore(backup, home.root)
    assert (done.files, done.different) == (11, [])
    new = open_home(home.root)
    assert identity(new.root) == identity(tmp_path / "old")
    assert not (new.models / "tiny/.training-1").exists()
    for folder in ("inbox", "done", "failed", "outbox"):
        shutil.copytree(tmp_path / "old" / folder, new.root / folder, dirs_exist_ok=True)
    assert list(verify(new)) == []
    assert (new.root / "watcher.db").stat().st_mode == (tmp_path / "old/watcher.db").stat().st_mode
    for path in ("watcher.toml", "models/tiny/2/model.keras", "corrections/tiny/red/odd\nname\\.png"):
        assert (new.root / path).read_bytes() == (tmp_path / "old" / path).read_bytes()
        assert (new.root / path).stat().st_mode == (tmp_path / "old" / path).stat().st_mode


def test_who_writes_is_not_held_up_and_not_in_it(home: Home, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is of the moment in which it was begun, however much comes meanwhile."""
    monkeypatch.setattr(copying, "PAGES", 5)
    stocked.many(home, 500)
    rounds = 0

    def meanwhile(done: int, whole: int) -> None:
        nonlocal rounds
        rounds += 1
        if done < whole and rounds < 10:
            stocked.add_failed(home, f"{rounds}.png")

    copying.copy(stocked.file_of(home), store / "copy.db", meanwhile)
    assert rounds > 10
    assert copying.count(store / "copy.db") == 503
    assert len(stocked.table(stocked.file_of(home), "images")) == 512


def test_a_name_that_is_taken_stays_unless_that_is_said(home: Home, store: Path) -> None:
    (store / "today.tar").write_text("mine")
    with pytest.raises(HomeError, match="is there already: choose another name, or say --overwrite"):
        made(home, store / "today.tar")
    assert (store / "today.tar").read_text() == "mine"
    made(home, store / "today.tar", overwrite=True)
    assert "watcher.db" in names(store / "today.tar")


def test_one_that_is_killed_is_not_there(home: Home, store: Path) -> None:
    """And the next one takes away what it has left."""
    with (home.corrections / "large.png").open("wb") as file:
        file.truncate(300_000_000)
    command = [sys.executable, "-m", "watcher", "--home", home.root, "backup", store]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    half = store / f".watcher-backup-{identity(home.root)}.tmp"
    homes.wait_for(lambda: half.exists() and half.stat().st_size > 10_000_000, "some of it is written")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(path.name.startswith(".watcher-backup-") for path in store.iterdir())
    (home.corrections / "large.png").unlink()
    made(home, store / "today.tar")
    assert [path.name for path in store.iterdir()] == ["today.tar"]


def test_a_damaged_database_is_no_backup(home: Home, store: Path) -> None:
    """Nobody is to find that out when it is needed."""
    stocked.many(home, 500)
    stocked.garble(stocked.file_of(home), 40_000, 30_000)
    with pytest.raises(DatabaseDamaged):
        made(home, store)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("folder", ["models/tiny", "inbox", "done"])
def test_it_does_not_go_where_it_would_be_taken_for_something_else(home: Home, folder: str) -> None:
    with pytest.raises(HomeError, match="a backup belongs elsewhere"):
        made(home, home.root / folder)


def test_where_there_is_no_room_it_is_not_begun(home: Home, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how much it wants."""
    monkeypatch.setattr(making, "SPARE", 10**18)
    with pytest.raises(HomeError, match=r"has no room for the backup: 1,000,000,000,000 MB are needed"):
        made(home, store)
    assert list(store.iterdir()) == []


def test_folders_elsewhere_are_in_it_and_go_back_there(tmp_path: Path, store: Path) -> None:
    """Never over what is there: that is told of; and not into an empty mount point."""
    far = tmp_path / "far"
    far.mkdir()
    home = fill(stocked.make(tmp_path / "home", folders={"models": str(far)}))
    backup = read(made(home, store).file)
    assert "elsewhere/tiny/current" not in backup.digests
    assert "elsewhere/models/tiny/current" in backup.digests
    (far / "tiny/current").write_text("1\n")
    (far / "tiny/1/model.keras").unlink()
    done = restore(backup, tmp_path / "new")
    assert done.different == [far / "tiny/current"]
    assert (far / "tiny/1/model.keras").is_file()
    assert (far / "tiny/current").read_text() == "1\n"
    shutil.rmtree(far)
    with pytest.raises(HomeError, match="mount or make it first"):
        restore(backup, tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


def test_results_in_a_server_are_told_of(tmp_path: Path, store: Path) -> None:
    """Without their password; everything else is in it."""
    home = fill(stocked.make(tmp_path / "home"))
    settings = home.root / "watcher.toml"
    url = "postgresql+psycopg://me:hush@db.lab:5432/results"
    settings.write_text(settings.read_text().replace("sqlite:///watcher.db", url))
    done = homes.watcher("backup", store, home=home.root)
    assert done.returncode == 0, done.stderr
    assert "the results, in postgresql://db.lab:5432/results: `pg_dump" in done.stdout
    assert "hush" not in done.stdout
    assert "watcher.db" not in names(next(store.iterdir()))


@pytest.mark.parametrize("mark", [b"backup.json", b"SQLite format 3", b"models/tiny/current\n"])
def test_a_backup_that_was_damaged_makes_no_home(home: Home, store: Path, tmp_path: Path, mark: bytes) -> None:
    """It is read to its end before anything is made."""
    file = made(home, store).file
    data = bytearray(file.read_bytes())
    data[data.index(mark)] ^= 0xFF
    file.write_bytes(data)
    done = homes.watcher("restore", file, home=tmp_path / "new")
    assert done.returncode == 1
    assert "is damaged" in done.stderr or "is no whole backup" in done.stderr
    assert not (tmp_path / "new").exists()


def test_what_is_none_is_refused(home: Home, store: Path, tmp_path: Path) -> None:
    """A text, another's archive, and one that wants to write elsewhere."""
    (store / "text.tar").write_text("hello")
    with tarfile.open(store / "other.tar", "w") as tar:
        tar.add(home.root / "watcher.toml", "watcher.toml")
    with tarfile.open(store / "bad.tar", "w") as tar:
        tar.add(home.root / "watcher.toml", "../../evil.toml")
    with tarfile.open(store / "link.tar", "w") as tar:
        link = tarfile.TarInfo("models")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    for file in store.iterdir():
        with pytest.raises(HomeError, match="is no whole backup of Watcher"):
            read(file)


def test_a_home_is_not_restored_over(home: Home, store: Path, tmp_path: Path) -> None:
    """Nor a database without one."""
    backup = read(made(home, store).file)
    with pytest.raises(HomeError, match="is a home already"):
        restore(backup, home.root)
    put(tmp_path / "new/watcher.db", b"mine")
    with pytest.raises(HomeError, match="holds other results"):
        restore(backup, tmp_path / "new")
    assert homes.paths(tmp_path / "new") == {"watcher.db"}


def test_a_restore_that_is_broken_off_is_no_home_and_goes_on(
    home: Home, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever file: no daemon can start, and the same command ends it."""
    backup = read(made(home, store).file)
    fsync, new, room, tries = os.fsync, tmp_path / "new", 0, 0

    def full(handle: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    while True:
        tries, room = tries + 1, 4
        try:
            assert restore(backup, new).different == []
        except OSError:
            if exists(new):  # then only its name may not be on the disk yet, and all else is
                break
        else:
            break
    assert tries > 5
    assert open_home(new).settings == home.settings
    assert len(homes.paths(new) - {".watcher.note", ".watcher.lock"}) == 11


def test_the_commands_say_what_comes_next(home: Home, store: Path, tmp_path: Path) -> None:
    """Which folders are to be copied, in which order, and what to type."""
    done = homes.watcher("backup", store, home=home.root)
    assert done.returncode == 0, done.stderr
    said, copy = done.stdout.splitlines()
    assert "the results of 3 pictures, 2 model versions, 1 job, 1 correction, the settings." in said
    order = [copy.index(str(folder)) for folder in (home.outbox, home.inbox, home.done, home.failed)]
    assert order == sorted(order)
    again = homes.watcher("restore", next(store.iterdir()), home=tmp_path / "new")
    assert again.returncode == 0, again.stderr
    assert f"`watcher --home {tmp_path / 'new'} verify --repair`" in again.stdout
    assert f"The home {home.root} on " in again.stdout
