"""What the inbox makes of events: it looks where they point at once, and scans where they fail."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent
from watched import RESCAN, SETTLE, Watched

from watcher.intake.arrivals import Seen
from watcher.intake.events import Hints
from watcher.intake.inbox import CHUNK

TIMEOUT = 60


@pytest.fixture
def hints(tmp_path: Path) -> Iterator[Hints]:
    (tmp_path / "inbox").mkdir()
    hints = Hints(tmp_path / "inbox", lambda: None)
    hints.start()
    yield hints
    hints.stop()


@pytest.fixture
def watched(hints: Hints, tmp_path: Path) -> Watched:
    """An inbox whose first scan is over, so that only events can tell of what comes."""
    watched = Watched(tmp_path / "inbox", hints)
    assert watched.until_idle() == []
    return watched


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def hint(hints: Hints, *paths: str) -> None:
    """Waits until these paths, and all before them, are hinted at."""
    until(lambda: set(paths) <= hints._paths)


def test_a_picture_renamed_from_part_is_seen_at_once(watched: Watched, hints: Hints) -> None:
    """Its quiet period begins with the rename, and no scan is needed."""
    watched.drop("a.jpg.part")
    os.rename(watched.root / "a.jpg.part", watched.root / "a.jpg")
    hint(hints, "a.jpg")
    assert watched.poll() == []
    assert watched.inbox.next_look() == watched.now + SETTLE
    assert watched.poll(after=SETTLE) == ["a.jpg"]
    assert watched.inbox.passes == 1


def test_a_folder_moved_in_is_seen_at_once_in_all_its_depth(watched: Watched, hints: Hints, tmp_path: Path) -> None:
    """One event for the folder is enough for all the pictures in it, without those of network drives."""
    for path in ("a.jpg", "deep/er/b.jpg", "@eaDir/thumb.jpg", "c.txt"):
        (tmp_path / "slide" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "slide" / path).write_bytes(b"picture")
    os.rename(tmp_path / "slide", watched.root / "slide")
    hint(hints, "slide")
    watched.poll()
    assert sorted(watched.poll(after=SETTLE)) == ["slide/a.jpg", "slide/deep/er/b.jpg"]


def test_by_products_are_not_taken_because_an_event_names_them(watched: Watched, hints: Hints) -> None:
    """A network drive that makes its thumbnails while we listen is not obeyed, nor is anything else that is no picture."""
    watched.drop("@eaDir/thumb.jpg", "a.jpg.part", "notes.txt")
    (watched.root / "link.jpg").symlink_to("notes.txt")
    os.mkfifo(watched.root / "fifo.jpg")
    watched.drop("last.jpg")
    hint(hints, "last.jpg")
    assert watched.until_idle() == ["last.jpg"]


def test_a_hint_that_comes_while_a_scan_waits_for_room_is_not_lost(tmp_path: Path) -> None:
    """The scan may have passed that folder, and the settler has no room: another scan follows at once."""
    (tmp_path / "inbox").mkdir()
    hints = Hints(tmp_path / "inbox", lambda: None)
    hints.start()
    try:
        watched = Watched(tmp_path / "inbox", hints, room=10)
        waiting = [f"{folder}/{number}.jpg" for folder in ("one", "two") for number in range(CHUNK - 1)]
        watched.drop(*waiting)
        watched.inbox._hints = None  # until the scan stands in the second folder, with no room to go on
        watched.poll()
        watched.inbox._hints = hints
        hint(hints, *waiting)
        hints.take()
        assert (watched.inbox.begun, watched.inbox.passes) == (1, 0)
        passed = Counter(path.split("/")[0] for path in watched.settler._waiting).most_common()[0][0]
        watched.drop(f"{passed}/late.jpg")
        hint(hints, f"{passed}/late.jpg")
        assert watched.poll() == []
        hints.take()
        began = watched.now
        told = watched.until_idle(most=100)
        assert sorted(told) == sorted([*waiting, f"{passed}/late.jpg"])
        assert watched.now - began < RESCAN
    finally:
        hints.stop()


def test_hints_are_kept_while_nobody_polls(watched: Watched, hints: Hints) -> None:
    """A daemon with no room for more does not poll, and an iterator that is dropped unread takes nothing."""
    watched.drop("a.jpg")
    hint(hints, "a.jpg")
    watched.inbox.poll(watched.now)
    assert watched.until_idle() == ["a.jpg"]


def test_an_overflow_of_hints_makes_a_scan(tmp_path: Path) -> None:
    """What there was no room to note is found all the same, at once."""
    (tmp_path / "inbox").mkdir()
    hints = Hints(tmp_path / "inbox", lambda: None, room=2)
    hints.start()
    try:
        watched = Watched(tmp_path / "inbox", hints)
        watched.until_idle()
        watched.drop(*(f"{number}.jpg" for number in range(10)))
        until(lambda: hints._overflowed)
        assert len(watched.until_idle()) == 10
        assert watched.now < 100.0 + RESCAN
    finally:
        hints.stop()


def test_hints_at_what_is_gone_again_do_no_harm(watched: Watched, hints: Hints) -> None:
    """A file or folder that came and went before the poll was never there."""
    watched.drop("a.jpg", "slide/b.jpg")
    hint(hints, "a.jpg", "slide")
    (watched.root / "a.jpg").unlink()
    shutil.rmtree(watched.root / "slide")
    assert watched.until_idle() == []


def test_hints_are_not_lost_by_a_fault_of_the_world(watched: Watched, hints: Hints) -> None:
    """If the database fails when asked what is wanted, the next poll finds what the events had told."""

    def broken(pictures: Sequence[Seen]) -> Sequence[Seen]:
        raise OSError(5, "Input/output error")

    watched.drop("a.jpg", "b.jpg", "c.jpg")
    hint(hints, "a.jpg", "b.jpg", "c.jpg")
    wanted, watched.wanted = watched.wanted, broken
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            watched.poll()
    watched.wanted = wanted
    began = watched.now
    assert sorted(watched.until_idle()) == ["a.jpg", "b.jpg", "c.jpg"]
    assert watched.now - began < RESCAN


def test_a_scan_is_begun_anew_after_a_fault_of_the_world(tmp_path: Path, silence: Hints) -> None:
    """What the broken scan had in hand is seen by the next one, at once."""
    watched = Watched(tmp_path, silence)
    watched.drop("a.jpg")

    def broken(pictures: Sequence[Seen]) -> Sequence[Seen]:
        raise OSError(5, "Input/output error")

    wanted, watched.wanted = watched.wanted, broken
    with pytest.raises(OSError, match="Input/output"):
        watched.poll()
    watched.wanted = wanted
    assert watched.inbox.next_look() <= watched.now
    assert watched.until_idle() == ["a.jpg"]


def test_a_folder_closed_while_its_pictures_wait_does_not_stop_the_others(
    open_folder: Path, without_rights, silence: Hints
) -> None:
    """They are neither taken nor gone; when the folder is opened again, a scan finds them."""
    watched = Watched(open_folder, silence)
    os.chmod(open_folder / ".watcher", 0o777)
    watched.drop("a.jpg", "slide/b.jpg")
    os.chmod(open_folder / "slide", 0o777)
    with without_rights():
        watched.poll()
    os.chmod(open_folder / "slide", 0o000)
    with without_rights():
        assert watched.until_idle() == ["a.jpg"]
    os.chmod(open_folder / "slide", 0o777)
    watched.inbox.scan_soon()
    with without_rights():
        assert watched.until_idle() == ["slide/b.jpg"]


def test_where_listening_ended_scans_follow_each_other_and_revive_it(watched: Watched, hints: Hints) -> None:
    """A picture that no event told of is found by the next scan, which listens anew."""
    hints.stop()
    assert watched.inbox.next_look() < watched.now + RESCAN
    watched.drop("a.jpg")
    watched.now = watched.inbox.next_look()
    assert watched.until_idle() == ["a.jpg"]
    assert hints.alive
    watched.drop("b.jpg")
    hint(hints, "b.jpg")
    assert watched.until_idle() == ["b.jpg"]


def test_an_event_from_a_folder_that_is_away_is_no_fault(watched: Watched, hints: Hints) -> None:
    """When the inbox is missing, the scan says so, whatever events are left over."""
    shutil.rmtree(watched.root)
    hints.on_any_event(FileCreatedEvent(f"{watched.root}/a.jpg"))
    assert watched.poll() == []
    with pytest.raises(FileNotFoundError, match="is its share mounted"):
        watched.poll(after=RESCAN)
