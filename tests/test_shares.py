"""What a home knows of where its folders stand: a folder whose share is not mounted is away. tests/faults mounts real ones."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from test_mounts import table

from watcher.home import Home, make_home, open_home
from watcher.service.shares import NAME, Shares
from watcher.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_home(tmp_path / "home", Settings())
    return open_home(tmp_path / "home")


@pytest.fixture
def mounted(tmp_path: Path, home: Home) -> Path:
    """A table by which the outbox is a share."""
    (tmp_path / "mounted").mkdir()
    return table(tmp_path / "mounted", (str(home.outbox), "nfs4"))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A table by which nothing is mounted but the root."""
    (tmp_path / "bare").mkdir()
    return table(tmp_path / "bare")


def test_what_was_never_noted_is_there(home: Home, bare: Path) -> None:
    """A home that is used for the first time has plain folders, or shares that are mounted."""
    Shares(home, bare).must_be_there(home.outbox)
    assert Shares(home, bare).missing_for(home.outbox) is None


def test_a_folder_whose_share_is_not_mounted_is_away(home: Home, mounted: Path, bare: Path) -> None:
    """The others are not; and it says what can be done."""
    Shares(home, mounted).remember()
    shares = Shares(home, bare)
    assert shares.missing_for(home.outbox) == str(home.outbox)
    shares.must_be_there(home.inbox)
    with pytest.raises(OSError, match="Mount it again") as fault:
        shares.must_be_there(home.outbox)
    assert fault.value.errno == errno.ENODEV
    Shares(home, mounted).must_be_there(home.outbox)


def test_a_folder_that_was_removed_is_away_with_its_share_alone(home: Home, mounted: Path, bare: Path) -> None:
    """Else whoever writes there makes it anew."""
    Shares(home, mounted).remember()
    for folder in (home.outbox, home.done):
        folder.rmdir()
    Shares(home, mounted).must_be_there(home.outbox)
    Shares(home, bare).must_be_there(home.done)
    with pytest.raises(OSError, match="no share is mounted"):
        Shares(home, bare).must_be_there(home.outbox)


def test_a_share_that_is_away_is_not_forgotten(home: Home, mounted: Path, bare: Path) -> None:
    """By a daemon that starts meanwhile; but by whoever says that it is a plain folder now."""
    Shares(home, mounted).remember()
    Shares(home, bare).remember()
    assert Shares(home, bare).missing_for(home.outbox)
    Shares(home, bare).renew()
    assert Shares(home, bare).missing_for(home.outbox) is None


def test_a_share_mounted_on_a_plain_folder_is_noted(home: Home, mounted: Path, bare: Path) -> None:
    """From then on its mount point is no folder to write to."""
    Shares(home, bare).remember()
    Shares(home, mounted).remember()
    assert Shares(home, bare).missing_for(home.outbox) == str(home.outbox)


@pytest.mark.parametrize("garbled", ["", "[]", "{"])
def test_a_garbled_note_says_nothing(home: Home, mounted: Path, bare: Path, garbled: str) -> None:
    """As if nothing had been noted."""
    (home.root / NAME).write_text(garbled)
    Shares(home, bare).must_be_there(home.outbox)
    Shares(home, mounted).remember()
    assert Shares(home, bare).missing_for(home.outbox)


def test_without_a_table_all_is_there(home: Home, mounted: Path, tmp_path: Path) -> None:
    """On systems that are not Linux."""
    Shares(home, mounted).remember()
    Shares(home, tmp_path / "none").must_be_there(home.outbox)


def test_what_is_said_of_a_folder_meanwhile_is_heard(home: Home, mounted: Path, bare: Path) -> None:
    """By a daemon that waits for the share: `watcher init` has said that it is a plain folder now."""
    Shares(home, mounted).remember()
    waiting = Shares(home, bare)
    with pytest.raises(OSError, match="no share is mounted"):
        waiting.must_be_there(home.outbox)
    assert Shares(home, bare).renew()
    waiting.must_be_there(home.outbox)
    assert not Shares(home, bare).renew()
