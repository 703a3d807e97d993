"""Events of the file system as hints: what they must tell at once, and that they never do harm."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent, FileMovedEvent

from watcher.intake.events import Hints

TIMEOUT = 60


class Listener(Hints):
    """Hints with a way for a test to wait until all that happened so far was told."""

    def __init__(self, inbox: Path, room: int = 10_000) -> None:
        self.woken = threading.Event()
        self.marks = 0
        self.inbox = inbox
        super().__init__(inbox, self.woken.set, room)

    def told(self) -> set[str]:
        """The hints about everything up to this call: events come in their order, so a last one ends the wait."""
        self.marks += 1
        mark = f"mark {self.marks}"
        (self.inbox / mark).touch()
        told: set[str] = set()
        while mark not in told:
            assert self.woken.wait(TIMEOUT), "no event came"
            self.woken.clear()
            paths, overflowed = self.take()
            assert not overflowed
            told |= paths
        return {path for path in told if not path.startswith("mark ")}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox" / ".watcher").mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def hints(inbox: Path) -> Iterator[Listener]:
    listener = Listener(inbox)
    listener.start()
    yield listener
    listener.stop()
    assert not listener.alive


def test_a_picture_that_is_copied_in_is_told(hints: Listener, inbox: Path) -> None:
    """Creating and closing a file wakes the daemon with the file's path."""
    (inbox / "a.jpg").write_bytes(b"picture")
    assert hints.told() == {"a.jpg"}


def test_a_picture_renamed_from_part_is_told(hints: Listener, inbox: Path) -> None:
    """A browser's last step, `a.jpg.part → a.jpg`, counts for its new name; the old one is passed over."""
    (inbox / "a.jpg.part").write_bytes(b"picture")
    assert hints.told() == set()
    os.rename(inbox / "a.jpg.part", inbox / "a.jpg")
    assert hints.told() == {"a.jpg"}


def test_a_picture_moved_or_linked_in_from_elsewhere_is_told(hints: Listener, inbox: Path, tmp_path: Path) -> None:
    """Drops that write nothing, by rename or by hard link, are noticed as well."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    os.rename(tmp_path / "a.jpg", inbox / "a.jpg")
    os.link(tmp_path / "b.jpg", inbox / "b.jpg")
    assert hints.told() == {"a.jpg", "b.jpg"}


def test_a_folder_moved_in_is_told_with_all_its_depth(hints: Listener, inbox: Path, tmp_path: Path) -> None:
    """The folder is named, so that it can be scanned, and what happens in it later is told like anything else."""
    (tmp_path / "slides" / "deep").mkdir(parents=True)
    (tmp_path / "slides" / "deep" / "a.jpg").write_bytes(b"picture")
    os.rename(tmp_path / "slides", inbox / "slides")
    assert "slides" in hints.told()
    (inbox / "slides" / "deep" / "b.jpg").write_bytes(b"picture")
    assert "slides/deep/b.jpg" in hints.told()


def test_folders_made_and_filled_in_one_go_are_told(hints: Listener, inbox: Path, tmp_path: Path) -> None:
    """Whatever was dropped before its folder was listened to is below a folder that is told."""
    for number in range(20):
        (tmp_path / "source" / str(number) / "deep").mkdir(parents=True)
        (tmp_path / "source" / str(number) / "deep" / "a.jpg").write_bytes(b"picture")
    shutil.copytree(tmp_path / "source", inbox / "copy")
    told = hints.told()
    for path in inbox.rglob("*.jpg"):
        relative = path.relative_to(inbox)
        assert any(str(parent) in told for parent in (relative, *relative.parents))


def test_a_folder_renamed_within_the_inbox_is_told_under_its_new_name(hints: Listener, inbox: Path) -> None:
    """Pictures that wait under their old path are found under the new one."""
    (inbox / "old").mkdir()
    (inbox / "old" / "a.jpg").write_bytes(b"picture")
    hints.told()
    os.rename(inbox / "old", inbox / "new")
    assert {"new", "new/a.jpg"} <= hints.told()


def test_names_that_are_no_text_are_told_as_they_are(hints: Listener, inbox: Path) -> None:
    """A hint opens the file that it is about, whatever bytes its name has."""
    names = [b"caf\xe9.jpg", b"two\nlines.jpg", b"-rf.jpg", b"x" * 251 + b".jpg"]
    for name in names:
        (inbox / os.fsdecode(name)).touch()
    assert {os.fsencode(path) for path in hints.told()} == set(names)


def test_temporary_names_and_our_own_claims_give_no_hint(hints: Listener, inbox: Path) -> None:
    """Half-written files and what the daemon itself does wake nobody."""
    (inbox / "@eaDir").mkdir()
    for name in ("a.jpg.part", ".b.jpg", "~$c.jpg", "Thumbs.db", "@eaDir/d.jpg", ".watcher/o.i.0.e.jpg"):
        (inbox / name).write_bytes(b"picture")
    (inbox / ".watcher" / "f.jpg").touch()
    os.rename(inbox / "a.jpg.part", inbox / "g.jpg.part")
    assert hints.told() == set()


def test_reading_a_picture_gives_no_hint(hints: Listener, inbox: Path) -> None:
    """People who look at what waits, and the daemon's own looks, wake nobody."""
    (inbox / "a.jpg").write_bytes(b"picture")
    hints.told()
    (inbox / "a.jpg").read_bytes()
    os.listdir(inbox)
    assert hints.told() == set()


def test_an_inbox_that_is_a_link_is_listened_to(tmp_path: Path, inbox: Path) -> None:
    """`inbox` may be a symbolic link to where the pictures really are."""
    (tmp_path / "link").symlink_to("inbox")
    hints = Listener(tmp_path / "link")
    hints.start()
    try:
        (inbox / "a.jpg").write_bytes(b"picture")
        assert hints.told() == {"a.jpg"}
    finally:
        hints.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_an_inbox_that_is_deleted_and_made_again_can_be_listened_to_again(hints: Listener, inbox: Path) -> None:
    """That no more events come can be seen, so that scans take over until there is an inbox again."""
    shutil.rmtree(inbox)
    until(lambda: not hints.alive)
    hints.revive()
    assert not hints.alive
    inbox.mkdir()
    hints.revive()
    (inbox / "a.jpg").write_bytes(b"picture")
    assert hints.told() == {"a.jpg"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_folders_moved_out_and_made_again_do_not_end_the_listening(
    hints: Listener, inbox: Path, tmp_path: Path
) -> None:
    """watchdog 7.1 dies of this sequence, which people do every day; it is noticed and put right."""
    (inbox / "a").mkdir()
    hints.told()
    os.rename(inbox / "a", tmp_path / "moved out")
    hints.told()
    (inbox / "a").mkdir()
    hints.told()
    (inbox / "a").rmdir()
    hints.told()
    (tmp_path / "moved out").rmdir()
    (inbox / "end").touch()
    until(lambda: not hints.alive or "end" in hints.take()[0])  # a later watchdog may survive
    hints.revive()
    (inbox / "b.jpg").write_bytes(b"picture")
    assert hints.told() == {"b.jpg"}


def test_past_its_room_it_asks_for_a_scan_instead(inbox: Path) -> None:
    """Memory is bounded; that hints were lost is said once, and then listening goes on."""
    hints = Hints(inbox, lambda: None, room=3)
    for number in (0, 1, 2, 2, 0):
        hints.on_any_event(FileCreatedEvent(f"{inbox}/{number}.jpg"))
    assert hints.take() == ({"0.jpg", "1.jpg", "2.jpg"}, False)
    for number in range(5):
        hints.on_any_event(FileCreatedEvent(f"{inbox}/{number}.jpg"))
    assert hints.take() == ({"0.jpg", "1.jpg", "2.jpg"}, True)
    assert hints.take() == (set(), False)
    hints.on_any_event(FileCreatedEvent(f"{inbox}/a.jpg"))
    assert hints.take() == ({"a.jpg"}, False)


@pytest.mark.parametrize(
    ("source", "target"),
    [("", ""), ("a.jpg", ""), ("/", ""), (b"caf\xe9.jpg", b""), ("{}/a.jpg", "/elsewhere/a.jpg"), ("{}", "{}-2/a.jpg")],
)
def test_the_handler_never_raises(inbox: Path, source: str | bytes, target: str | bytes) -> None:
    """watchdog's thread would end; an event from outside of the inbox, or without a path, is nothing to us."""
    hints = Hints(inbox, lambda: None)
    paths = [path.format(inbox) if isinstance(path, str) else path for path in (source, target)]
    hints.on_any_event(FileMovedEvent(*paths))
    assert hints.take() == (set(), False)


def test_hints_that_do_not_listen_can_be_stopped(inbox: Path) -> None:
    """Ending a daemon that never came to listen is no error."""
    hints = Hints(inbox, lambda: None)
    assert not hints.alive
    hints.stop()


def test_a_system_that_lets_nothing_more_be_watched_says_so(inbox: Path) -> None:
    """The daemon can then scan: the fault is an OSError, and no thread is left behind."""
    hints = Hints(inbox, lambda: None)
    before = set(threading.enumerate())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    handles = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, limits[1]))
    try:
        with suppress(OSError):
            while True:
                handles.append(os.dup(0))
        with pytest.raises(OSError, match="limit reached"):
            hints.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for handle in handles:
            os.close(handle)
    shutil.rmtree(inbox)
    with pytest.raises(FileNotFoundError):
        hints.start()
    assert not hints.alive
    assert set(threading.enumerate()) <= before
