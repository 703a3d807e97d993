"""Pictures that go away while they wait: only what is known to be gone is said to be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from watched import RESCAN, SETTLE, Watched

from watcher.intake.arrivals import Fingerprint, Seen
from watcher.intake.claims import FOLDER
from watcher.intake.events import Hints
from watcher.intake.inbox import CHUNK


@pytest.fixture
def watched(tmp_path: Path, silence: Hints) -> Watched:
    (tmp_path / "inbox").mkdir()
    return Watched(tmp_path / "inbox", silence)


def test_a_picture_taken_back_is_gone_once(watched: Watched) -> None:
    """It is said after a scan has found it nowhere, soon, and not again; the others are not affected."""
    watched.drop("a.jpg", "b.jpg")
    watched.poll()
    (watched.root / "a.jpg").unlink()
    assert watched.poll(after=SETTLE) == ["b.jpg"]
    assert not watched.inbox.idle
    assert watched.until_idle() == ["-a.jpg"]
    watched.inbox.scan_soon()
    assert watched.until_idle() == []


@pytest.mark.parametrize("new", ["b.jpg", "A.JPG", "slide/a.jpg", "-a.jpg"])
def test_a_picture_renamed_within_the_inbox_is_not_gone(watched: Watched, new: str) -> None:
    """It waits under its new name, wherever that is."""
    watched.drop("a.jpg")
    watched.poll()
    (watched.root / new).parent.mkdir(exist_ok=True)
    os.rename(watched.root / "a.jpg", watched.root / new)
    assert watched.until_idle() == [new]


def test_a_folder_renamed_within_the_inbox_takes_its_pictures_along(watched: Watched) -> None:
    """All of them are found under the new path, and none is gone."""
    names = {f"{number}.jpg" for number in range(20)}
    watched.drop(*(f"old/{name}" for name in names))
    watched.poll()
    os.rename(watched.root / "old", watched.root / "new")
    assert set(watched.until_idle()) == {f"new/{name}" for name in names}


def test_a_picture_renamed_within_one_look_is_not_gone(watched: Watched) -> None:
    """Both of its names were seen in one scan; the new one, which comes first by name, is handed on before the old is missed."""
    watched.drop("z.jpg")
    watched.poll()
    fingerprint = Fingerprint.of(os.lstat(watched.root / "z.jpg"))
    os.rename(watched.root / "z.jpg", watched.root / "a.jpg")
    watched.settler.saw(Seen("a.jpg", fingerprint), watched.now)
    assert watched.until_idle() == ["a.jpg"]


def test_a_picture_renamed_and_claimed_by_one_late_poll_is_not_gone(watched: Watched) -> None:
    """Under load a poll comes late: old and new name are due together, and the claim hides the picture from scans."""
    watched.drop("a.jpg")
    watched.poll()
    os.rename(watched.root / "a.jpg", watched.root / "b.jpg")
    watched.inbox.scan_soon()
    watched.poll(after=SETTLE / 2)
    assert watched.poll(after=10.0) == ["b.jpg"]
    assert watched.until_idle() == []


@pytest.mark.parametrize("new", ["a.jpg.bak", ".a.jpg", "../a.jpg"])
def test_a_picture_renamed_to_no_pictures_name_is_gone(watched: Watched, new: str) -> None:
    """Hidden, moved out or renamed to something else, it waits no more."""
    watched.drop("a.jpg")
    watched.poll()
    os.rename(watched.root / "a.jpg", watched.root / new)
    assert watched.until_idle() == ["-a.jpg"]


def test_a_new_picture_in_a_deleted_ones_place_on_disk_is_another(watched: Watched) -> None:
    """File systems give a freed inode to the next file: that one is whole, and the deleted one gone."""
    watched.drop("a.jpg", data=b"deleted")
    watched.poll()
    (watched.root / "a.jpg").unlink()
    watched.drop("b.jpg", data=b"new and longer")
    assert sorted(watched.until_idle()) == ["-a.jpg", "b.jpg"]


def test_a_scan_under_way_does_not_say_that_a_picture_is_gone(tmp_path: Path, silence: Hints) -> None:
    """It may have passed the new name's folder before the rename; only a scan begun afterwards can tell."""
    watched = Watched(tmp_path, silence, room=CHUNK)
    watched.drop(*(f"{number}.jpg" for number in range(2 * CHUNK)))
    watched.poll()
    assert (watched.inbox.begun, watched.inbox.passes) == (1, 0)
    [renamed, *_] = watched.settler._waiting
    (watched.root / "slide").mkdir()
    os.rename(watched.root / renamed, watched.root / "slide" / "new.jpg")
    told = watched.until_idle()
    assert sorted(told) == sorted({f"{number}.jpg" for number in range(2 * CHUNK)} - {renamed} | {"slide/new.jpg"})


def test_pictures_that_go_away_under_a_running_process_are_each_told_once(watched: Watched) -> None:
    """While another process renames and removes without pause, every picture has one end: handed on, or gone."""
    script = """
import os, sys
inbox = sys.argv[1]
for number in range(300):
    name = f"{inbox}/{number}.jpg"
    open(name, "wb").close()
    if number % 3 == 0:
        os.unlink(name)
    elif number % 3 == 1:
        os.rename(name, f"{inbox}/renamed {number}.jpg")
"""
    told: list[str] = []
    with subprocess.Popen([sys.executable, "-c", script, watched.root]) as process:
        while process.poll() is None:
            watched.inbox.scan_soon()
            told += watched.poll(after=0.01)
    assert process.returncode == 0
    watched.inbox.scan_soon()
    told += watched.until_idle()
    handed_on = [path for path in told if not path.startswith("-")]
    expected = [f"renamed {number}.jpg" if number % 3 == 1 else f"{number}.jpg" for number in range(300) if number % 3]
    assert sorted(handed_on) == sorted(expected)
    assert len(told) == len(set(told))


class TestShareAway:
    def test_nothing_is_gone_and_all_comes_back(self, watched: Watched) -> None:
        """While the inbox is missing polls say so; when it returns, what waited there waits on."""
        away = watched.root.with_name("away")
        watched.drop("a.jpg", "slide/b.jpg")
        watched.poll()
        os.rename(watched.root, away)
        assert watched.poll(after=SETTLE) == []
        for _ in range(3):
            with pytest.raises(FileNotFoundError, match="is its share mounted"):
                watched.poll(after=RESCAN)
        os.rename(away, watched.root)
        assert sorted(watched.until_idle()) == ["a.jpg", "slide/b.jpg"]

    def test_an_empty_mount_point_is_not_an_inbox(self, watched: Watched) -> None:
        """A folder without our claim folder is where a share should be mounted: it is not taken for an empty inbox."""
        watched.drop("a.jpg")
        watched.poll()
        os.rename(watched.root, watched.root.with_name("away"))
        watched.root.mkdir()
        assert watched.poll(after=SETTLE) == []
        with pytest.raises(FileNotFoundError, match="is its share mounted"):
            watched.poll(after=0.1)
        assert list(watched.root.iterdir()) == []

    def test_a_share_that_goes_in_the_middle_of_a_scan_makes_nothing_gone(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a scan did not find because the folders vanished under it is not gone."""
        monkeypatch.setattr("watcher.intake.inbox.SCAN_SECONDS", -1.0)  # a scan that takes several polls
        watched.wanted = lambda pictures: [seen for seen in pictures if "moved" in seen.path]
        watched.drop("moved.jpg", *(f"{number}.jpg" for number in range(CHUNK)), "slide/other.jpg")
        watched.poll()
        watched.poll()
        os.rename(watched.root / "moved.jpg", watched.root / "slide" / "moved.jpg")
        assert watched.poll(after=SETTLE) == []
        assert watched.poll() == []
        away = watched.root.with_name("away")
        os.rename(watched.root, away)
        watched.root.mkdir()
        with pytest.raises(FileNotFoundError, match="is its share mounted"):
            watched.poll()
        watched.root.rmdir()
        os.rename(away, watched.root)
        assert watched.until_idle() == ["slide/moved.jpg"]


def test_a_claim_folder_that_was_tidied_away_is_made_again(watched: Watched) -> None:
    """The inbox is the very folder that the daemon began with, so it has not gone away with a share."""
    watched.until_idle()
    (watched.root / FOLDER).rmdir()
    watched.drop("a.jpg")
    watched.inbox.scan_soon()
    assert watched.until_idle() == ["a.jpg"]


def test_a_picture_written_to_and_then_renamed_is_not_gone(watched: Watched) -> None:
    """A program that writes slowly and renames at the end has one picture, under its last name."""
    (watched.root / "a.jpg").touch()
    for piece in (b"first", b" and second"):
        time.sleep(0.05)  # so that the piece is not as old as the file
        with (watched.root / "a.jpg").open("ab") as file:
            file.write(piece)
        watched.poll()
    with (watched.root / "a.jpg").open("ab") as file:
        file.write(b" and last")
    os.rename(watched.root / "a.jpg", watched.root / "b.jpg")
    assert watched.until_idle() == ["b.jpg"]
