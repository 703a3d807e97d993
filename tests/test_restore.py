"""A restore makes a home of a whole backup, or none: never over another, and never half of one."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import homes
import pytest
import stocked
from backups import fill, made, put

from watcher.backup.restoring import read, restore
from watcher.errors import HomeError
from watcher.home import Home, exists, open_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return fill(stocked.make(tmp_path / "home"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def test_a_folder_that_holds_other_things_is_not_made_a_home(home: Home, store: Path, tmp_path: Path) -> None:
    """As the folder that somebody happens to be in; but pictures may be there before."""
    backup = read(made(home, store).file)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("mine")
    with pytest.raises(HomeError, match=r"holds other things, as thesis\.tex: say with --home"):
        restore(backup, tmp_path / "work")
    assert os.listdir(tmp_path / "work") == ["thesis.tex"]
    shutil.copytree(home.outbox, tmp_path / "new" / "outbox")
    restore(backup, tmp_path / "new")
    assert exists(tmp_path / "new")


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
