"""What cannot be seen or read at the moment is neither gone nor lost: not for a rebuild, nor for what was half done."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import stocked
from stocked import TODAY, add, add_failed, encoded, file_of, rows

from watcher.books.repair import repair
from watcher.errors import HomeError
from watcher.home import Home
from watcher.results import Database, State
from watcher.results.aside import set_aside
from watcher.results.superseding import failed, supersede
from watcher.service import from_disk, shares
from watcher.service.rebuilding import open_sound
from watcher.service.retry import retry

POINT = "/mnt"  # on which nothing is mounted


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two classified pictures and one that failed."""
    made = stocked.make(tmp_path / "home")
    add(made, "a.png", encoded(1))
    add(made, "s/b.png", encoded(2))
    add_failed(made, "bad.png")
    return made


def away(home: Home, folder: Path) -> Path:
    """The folder's share is not mounted: an empty mount point stands in its place; where the folder is meanwhile."""
    (home.root / shares.NAME).write_text(json.dumps({str(folder): POINT}))
    kept = home.root / f"{folder.name} elsewhere"
    folder.rename(kept)
    folder.mkdir()
    return kept


def back(home: Home, folder: Path, kept: Path) -> None:
    folder.rmdir()
    kept.rename(folder)
    (home.root / shares.NAME).unlink()


@pytest.mark.parametrize("name", ["outbox", "done", "failed", "inbox"])
@pytest.mark.parametrize("damage", [b"", b"this is no database " * 500])
def test_nothing_is_rebuilt_while_a_share_is_away(home: Home, name: str, damage: bytes) -> None:
    """An empty mount point has nothing to tell; once it is back, every row is."""
    folder = home.root / name
    file_of(home).write_bytes(damage)
    kept = away(home, folder)
    with pytest.raises(HomeError, match=f"{name} is not there: no share is mounted on {POINT}"):
        open_sound(home, TODAY)
    assert file_of(home).read_bytes() == damage and set_aside(file_of(home)) == []
    back(home, folder, kept)
    open_sound(home, TODAY).close()
    assert rows(home).keys() == {"a.png", "s/b.png", "bad.png"}


def test_a_copy_that_cannot_be_read_now_ends_the_rebuild(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be made without its row, and its picture classified a second time; the next start tries again."""
    damaged = b"this is no database " * 500
    file_of(home).write_bytes(damaged)
    real = from_disk.read_caption

    def broken(path: Path) -> object:
        if path.name == "b.png":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(from_disk, "read_caption", broken)
        with pytest.raises(OSError, match="Input/output error"):
            open_sound(home, TODAY)
    assert file_of(home).read_bytes() == damaged
    open_sound(home, TODAY).close()
    assert rows(home).keys() == {"a.png", "s/b.png", "bad.png"}


@pytest.mark.parametrize("command", ["repair", "retry"])
def test_a_half_done_retry_is_not_ended_while_its_folder_is_away(home: Home, command: str) -> None:
    """Its row goes on naming the picture, which is put in line once the share is back."""
    with Database.open(home.settings.database.url, home.root) as database:
        [chunk] = failed(database, None)
        supersede(database, chunk, "tried again")
    kept = away(home, home.failed)
    if command == "repair":
        list(repair(home, TODAY))
    else:
        with pytest.raises(OSError, match="no share is mounted"):
            retry(home, None, None, TODAY)
    back(home, home.failed, kept)
    assert rows(home)["bad.png"].state is State.SUPERSEDED
    assert (home.failed / "bad.png").exists()
    assert retry(home, None, None, TODAY).in_line == 1
    assert (home.inbox / "bad.png").exists()
