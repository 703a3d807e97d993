"""The inbox as a whole: every picture is handed on once, when it is whole, however it came and whoever stops asking."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from watched import RESCAN, SETTLE, Watched

from watcher.intake.events import Hints
from watcher.intake.inbox import CHUNK


@pytest.fixture
def watched(tmp_path: Path, silence: Hints) -> Watched:
    return Watched(tmp_path, silence)


def test_what_waits_at_the_start_is_handed_on_after_the_quiet_period(watched: Watched) -> None:
    """The first poll looks, a second one hands on what did not change, once."""
    watched.drop("a.jpg", "malaria/slide/b.png", "notes.txt", ".c.jpg")
    assert watched.poll() == []
    assert watched.inbox.next_look() == watched.now + SETTLE
    assert watched.poll(after=1.9) == []
    assert sorted(watched.poll(after=0.1)) == ["a.jpg", "malaria/slide/b.png"]
    assert watched.inbox.idle
    assert watched.until_idle() == []


def test_a_backlog_larger_than_the_settlers_room_drains_completely(tmp_path: Path, silence: Hints) -> None:
    """However many pictures wait, memory is bounded and each of them has its turn within one scan."""
    watched = Watched(tmp_path, silence, room=100)
    watched.drop("first.jpg")
    for number in range(3 * CHUNK):
        os.link(tmp_path / "first.jpg", tmp_path / f"{number}.jpg")
    told = watched.until_idle(most=64)
    assert len(told) == len(set(told)) == 3 * CHUNK + 1
    assert watched.inbox.passes == 1


def test_a_full_settler_does_not_keep_the_daemon_busy(tmp_path: Path) -> None:
    """While a scan waits for room, there is nothing to do before the first quiet period ends."""
    watched = Watched(tmp_path, room=10)
    watched.drop(*(f"{number}.jpg" for number in range(CHUNK + 20)))
    assert watched.inbox.next_look() == -math.inf
    watched.poll()
    assert watched.settler.full
    assert watched.inbox.next_look() == watched.now + SETTLE


def test_a_caller_who_stops_in_the_middle_loses_nothing(watched: Watched) -> None:
    """The daemon breaks off when it has no room for more; the next poll goes on where it stopped."""
    names = {f"{number}.jpg" for number in range(100)}
    watched.drop(*names)
    watched.poll()
    watched.now += SETTLE
    told = []
    for _ in range(34):
        told += watched.poll(most=3)
    assert len(told) == 100
    assert set(told) == names


def test_a_poll_that_nobody_reads_does_nothing(watched: Watched) -> None:
    """An iterator that is made and dropped takes no hint, begins no scan and forgets no picture."""
    watched.drop("a.jpg")
    watched.inbox.poll(watched.now)
    assert watched.inbox.begun == 0
    assert watched.until_idle() == ["a.jpg"]


def test_a_slow_copy_is_not_handed_on_before_it_is_whole(watched: Watched) -> None:
    """A process that writes now and then, and pauses for longer than the quiet period, is left to finish."""
    script = "import sys\nwith open(sys.argv[1], 'wb', buffering=0) as file:\n    for line in sys.stdin: print(file.write(line.encode()), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", script, watched.root / "slow.jpg"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as copying:
        for piece in range(5):
            copying.stdin.write(f"piece {piece}\n")
            assert copying.stdout.readline() == "8\n"
            for _ in range(4):
                assert watched.poll(after=1.0) == []
        copying.stdin.close()
    assert watched.until_idle() == ["slow.jpg"]
    [claim] = watched.claims.recover()
    assert watched.claims.file(claim).read_text() == "".join(f"piece {piece}\n" for piece in range(5))


def test_a_picture_replaced_while_it_waits_begins_anew(watched: Watched) -> None:
    """The quiet period is that of what stands there now."""
    watched.drop("a.jpg", data=b"first")
    watched.poll()
    watched.drop("new.jpg", data=b"second")
    os.replace(watched.root / "new.jpg", watched.root / "a.jpg")
    assert watched.poll(after=SETTLE) == []
    assert watched.poll(after=1.9) == []
    assert watched.poll(after=0.2) == ["a.jpg"]


def test_a_picture_dropped_again_under_its_name_is_another(watched: Watched) -> None:
    """While the first is in work the second waits its own quiet period, and is handed on."""
    for data in (b"first", b"second", b"third"):
        watched.drop("a.jpg", data=data)
        watched.inbox.scan_soon()
        assert watched.until_idle() == ["a.jpg"]
    assert sorted(watched.claims.file(claim).read_bytes() for claim in watched.claims.recover()) == [
        b"first",
        b"second",
        b"third",
    ]


def test_pictures_that_nobody_wants_yet_are_asked_about_at_every_scan(watched: Watched) -> None:
    """A picture whose model is missing does not wait in memory; it is taken once it is wanted."""
    watched.drop("a.jpg", "malaria/b.jpg")
    watched.wanted = lambda pictures: [seen for seen in pictures if "/" not in seen.path]
    assert watched.until_idle() == ["a.jpg"]
    assert watched.inbox.idle
    watched.wanted = lambda pictures: pictures
    watched.inbox.scan_soon()
    assert watched.until_idle() == ["malaria/b.jpg"]


def test_a_scan_asked_for_while_one_is_under_way_follows_it(tmp_path: Path, silence: Hints) -> None:
    """What the scan under way has passed already is looked at again, not only when the next is due."""
    watched = Watched(tmp_path, silence, room=10)
    watched.drop(*(f"{number}.jpg" for number in range(2 * CHUNK)))
    watched.poll()
    assert (watched.inbox.begun, watched.inbox.passes) == (1, 0)
    watched.inbox.scan_soon()
    assert len(watched.until_idle()) == 2 * CHUNK
    assert watched.inbox.passes == 2


def test_scans_follow_each_other_where_no_events_come(tmp_path: Path) -> None:
    """On a share a picture is found by the next scan, which comes soon after the last, at most at its interval."""
    watched = Watched(tmp_path, hints=None)
    assert watched.until_idle() == []
    assert watched.now < watched.inbox.next_look() < watched.now + RESCAN
    watched.drop("a.jpg")
    assert watched.until_idle() == []
    watched.now = watched.inbox.next_look()
    assert watched.until_idle() == ["a.jpg"]


def test_a_scan_comes_in_any_case_when_it_is_due(watched: Watched) -> None:
    """Events may be lost by the system: what they did not tell is found at the interval of the settings."""
    assert watched.until_idle() == []
    watched.drop("a.jpg")
    assert watched.inbox.next_look() == watched.now + RESCAN
    assert watched.poll(after=RESCAN - 0.1) == []
    assert watched.inbox.idle
    watched.now += 0.1
    assert watched.until_idle() == ["a.jpg"]


def test_a_long_scan_does_not_keep_whole_pictures_waiting(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll scans for a moment only, then hands on what is whole; the scan goes on with the next."""
    watched.drop(*(f"{number}.jpg" for number in range(3 * CHUNK)))
    monkeypatch.setattr("watcher.intake.inbox.SCAN_SECONDS", -1.0)  # as if every look took longer than that
    assert watched.poll() == []
    for _ in range(2):
        assert watched.inbox.next_look() == -math.inf
        assert len(watched.poll(after=SETTLE)) == CHUNK
    assert watched.inbox.passes == 0
    assert len(watched.until_idle()) == CHUNK
    assert watched.inbox.passes == 1
