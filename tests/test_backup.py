"""A backup holds all of a home but its pictures, is whole or not there, and makes a home again."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import homes
import pytest
import stocked
from backups import NOON, fill, made, names, put

from watcher.backup import making
from watcher.backup.making import make
from watcher.backup.restoring import read, restore
from watcher.books.verify import verify
from watcher.errors import HomeError
from watcher.home import Home, open_home
from watcher.results import Database, DatabaseDamaged, copying
from watcher.service.identity import identity


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return fill(stocked.make(tmp_path / "home"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


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
    with pytest.raises(HomeError, match="is no backup of Watcher, and --overwrite replaces nothing else"):
        made(home, store / "today.tar", overwrite=True)
    assert (store / "today.tar").read_text() == "mine"
    (store / "today.tar").unlink()
    made(home, store / "today.tar")
    put(home.corrections / "tiny/red/late.png", b"x")
    made(home, store / "today.tar", overwrite=True)
    assert "corrections/tiny/red/late.png" in names(store / "today.tar")


@pytest.mark.parametrize("name", ["watcher.db", "watcher.db-wal", "watcher.toml", ".watcher-id", ".watcher.lock"])
def test_it_takes_no_name_of_the_homes_own(home: Home, store: Path, name: str) -> None:
    """Whatever is said, and also where no such file is there; nor does it replace a link to one, or a foreign archive."""
    before = (home.root / name).read_bytes() if (home.root / name).exists() else None
    with pytest.raises(HomeError, match="is a name of the home's own"):
        made(home, home.root / name, overwrite=True)
    assert before == ((home.root / name).read_bytes() if (home.root / name).exists() else None)
    (store / "link.tar").symlink_to(home.root / "watcher.db")
    with tarfile.open(store / "other.tar", "w") as tar:
        tar.add(home.root / "watcher.toml", "watcher.toml")
    for other in ("link.tar", "other.tar"):
        with pytest.raises(HomeError, match="is no backup of Watcher"):
            made(home, store / other, overwrite=True)


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r", "\n", "\udcff"]
)
def test_every_name_comes_back(home: Home, store: Path, tmp_path: Path, odd: str) -> None:
    """Also one with a letter that ends a line somewhere, or with bytes that are no text."""
    path = f"corrections/tiny/red/a{odd}b\\n.png"
    put(home.root / path, b"mine")
    restore(read(made(home, store).file), tmp_path / "new")
    assert (tmp_path / "new" / path).read_bytes() == b"mine"


def test_the_version_that_is_current_is_in_it_whatever_is_promoted_meanwhile(home: Home, store: Path) -> None:
    """And no later one is on record, nor is a model that came after the look."""
    version = 2

    def promote(_done: int, _whole: int) -> None:
        nonlocal version
        version += 1
        for model in ("tiny", "a-new"):
            put(home.models / model / str(version) / "model.json", b"{}")
            put(home.models / model / "current", f"{version}\n".encode())
            put(home.models / model / "history", f"2026-11-23T12:00:00+00:00 {version} promoted\n".encode())

    file = make(home, store, NOON, progress=promote).file
    assert version > 4
    with tarfile.open(file) as tar:
        held = {path: tar.extractfile(path) for path in tar.getnames() if path.endswith(("/current", "/history"))}
        texts = {path: content.read() for path, content in held.items() if content}
    assert texts.keys() >= {"models/tiny/current", "models/tiny/history"}
    for path, text in texts.items():
        number = text.split()[path.endswith("history")].decode()
        assert f"{path.rpartition('/')[0]}/{number}/model.json" in names(file)
    assert list(read(file).digests)


def test_a_restored_home_is_closed_where_the_daemon_is_told_what_to_do(home: Home, store: Path, tmp_path: Path) -> None:
    """Also one of the times when its group could write there."""
    text = (home.root / "watcher.toml").read_text()
    (home.root / "watcher.toml").write_text(text.replace('umask = "027"', 'umask = "007"'))
    for path in (home.root / "watcher.toml", home.jobs / "nightly.toml", home.models / "tiny/1/model.json"):
        path.chmod(0o660)
    done = homes.watcher("restore", made(home, store).file, home=tmp_path / "new", umask=0)
    assert done.returncode == 0, done.stderr
    new = tmp_path / "new"
    closed = [
        new,
        new / "watcher.toml",
        *(new / "jobs").rglob("*"),
        *(new / "models").rglob("*"),
        new / "jobs",
        new / "models",
    ]
    assert [path for path in closed if path.stat().st_mode & 0o022] == []
    assert stat.S_IMODE((new / "inbox").stat().st_mode) == 0o770


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
