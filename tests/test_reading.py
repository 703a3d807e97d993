"""From a claim to pixels: what is read, what only waits, and how much is decoded at a time."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import homes
import pytest

from watcher.intake.arrivals import Claim, Fingerprint, Seen
from watcher.intake.claims import ClaimFolder, new_id
from watcher.service.reading import GONE, PixelBudget, Reader
from watcher.service.work import Changed, Read, Taken, Vanished
from watcher.vision.outcome import Failed, Picture
from watcher.vision.vision import Vision

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BIG = 10**9


class Desk:
    """A reader, its claim folder and what it is given to read."""

    def __init__(self, inbox: Path, vision: Vision, budget: int = BIG) -> None:
        self.inbox = inbox
        self.vision = vision
        self.claims = ClaimFolder(inbox, "abcdefgh")
        self.claims.make()
        self.budget = PixelBudget(budget)
        self.reader = Reader(self.claims, self.budget, max_megapixels=1)

    def take(self, data: bytes, name: str = "a.png") -> Taken:
        (self.inbox / name).write_bytes(data)
        claim = self.claims.claim(Seen(name, Fingerprint.of(os.lstat(self.inbox / name))))
        assert claim
        return Taken(claim, self.vision, NOW)

    def has_room_for(self, pixels: int) -> bool:
        thread = threading.Thread(target=self.budget.acquire, args=[pixels], daemon=True)
        thread.start()
        thread.join(0.2)
        return not thread.is_alive()


@pytest.fixture
def desk(tmp_path: Path, tiny_vision: Vision) -> Desk:
    return Desk(tmp_path, tiny_vision)


def test_a_picture_is_hashed_and_decoded_from_the_same_bytes(desk: Desk) -> None:
    """One reading gives the digest, the size and the pixels."""
    data = homes.picture("green")
    read = desk.reader.read(desk.take(data))
    assert (read.sha256, read.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert isinstance(read.content, Picture)
    assert (read.content.width, read.content.height) == (24, 18)


def test_an_attempt_is_counted_on_disk_before_the_file_is_opened(desk: Desk) -> None:
    """Whatever happens then, the next start knows that this picture was opened."""
    taken = desk.take(b"not a picture")
    read = desk.reader.read(taken)
    assert isinstance(read.content, Failed)
    assert read.claim.attempts == 1
    assert [claim.attempts for claim in desk.claims.recover()] == [1]


@pytest.mark.parametrize("change", ["longer", "shorter", "newer"])
def test_a_picture_that_changes_after_its_claim_is_not_judged(desk: Desk, change: str) -> None:
    """Its writer had it open all the time: what was read may be half of it."""
    taken = desk.take(homes.picture())
    file = desk.claims.file(taken.claim)
    if change == "longer":
        with file.open("ab") as more:
            more.write(b"more")
    elif change == "shorter":
        os.truncate(file, 40)
    else:
        os.utime(file, ns=(1, 1))
    assert isinstance(desk.reader.read(taken).content, Changed)


def test_a_picture_that_is_gone_has_vanished(desk: Desk) -> None:
    """Somebody took it out of the claim folder: that is no fault of the picture."""
    taken = desk.take(homes.picture())
    desk.claims.file(taken.claim).unlink()
    assert desk.reader.read(taken).content == Vanished(GONE)


def test_nothing_has_vanished_while_the_share_is_away(desk: Desk) -> None:
    """Without its claim folder an inbox is an empty mount point; the pictures are where they were."""
    taken = desk.take(homes.picture())
    (desk.inbox / ".watcher").rename(desk.inbox / "elsewhere")
    assert isinstance(desk.reader.read(taken).content, Changed)


def test_a_huge_file_is_refused_unread(desk: Desk) -> None:
    """No picture of the permitted size is so large."""
    taken = desk.take(b"")
    os.truncate(desk.claims.file(taken.claim), 100_000_000)
    grown = Claim(taken.claim.id, "a.png", Fingerprint.of(os.lstat(desk.claims.file(taken.claim))))
    content = desk.reader.read(Taken(grown, desk.vision, NOW)).content
    assert content == Failed("the file has 100 MB; at most 72 MB are read")


def test_a_file_that_may_not_be_read_is_the_pictures_fault(
    open_folder: Path, tiny_vision: Vision, without_rights: Callable[[], AbstractContextManager[None]]
) -> None:
    """Its rights will not change by waiting."""
    desk = Desk(open_folder, tiny_vision)
    (open_folder / ".watcher").chmod(0o777)
    taken = desk.take(homes.picture())
    desk.claims.file(taken.claim).chmod(0)
    with without_rights():
        content = desk.reader.read(taken).content
    assert content == Failed("Watcher may not read the file: Permission denied")


def test_a_folder_that_lets_no_attempt_be_counted_says_nothing_about_the_picture(
    desk: Desk, without_rights: Callable[[], AbstractContextManager[None]]
) -> None:
    """It goes back to wait, and has not been opened."""
    taken = desk.take(homes.picture())
    (desk.inbox / ".watcher").chmod(0o500)
    with without_rights():
        read = desk.reader.read(taken)
    (desk.inbox / ".watcher").chmod(0o700)
    assert (read.content, read.claim) == (Changed(), taken.claim)


class BadDisk(ClaimFolder):
    """Its pictures stand where Linux says EIO to every read."""

    def open(self, claim: Claim) -> int:
        return os.open("/proc/self/mem", os.O_RDONLY)

    def attempt(self, claim: Claim) -> Claim:
        return claim.tried()


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs Linux' /proc")
def test_a_file_on_a_bad_sector_is_tried_three_times(tmp_path: Path, tiny_vision: Vision) -> None:
    """The first faults may be the world's; a file that can never be read must not come back for ever."""
    reader = Reader(BadDisk(tmp_path, "abcdefgh"), PixelBudget(BIG), 1)
    fingerprint = Fingerprint.of(os.stat("/proc/self/mem"))
    contents = [reader.read(Taken(Claim(new_id(), "a.png", fingerprint), tiny_vision, NOW)).content for _ in range(3)]
    assert contents == [Changed(), Changed(), Failed("the file cannot be read: Input/output error")]


def test_a_machine_short_of_handles_says_nothing_about_the_picture(desk: Desk) -> None:
    """It goes back as often as it takes, and is read when there is room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = desk.take(homes.picture())
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        read = desk.reader.read(taken)
        for _ in range(4):
            assert isinstance(read.content, Changed)
            read = desk.reader.read(Taken(read.claim, desk.vision, NOW))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(desk.reader.read(Taken(read.claim, desk.vision, NOW)).content, Picture)


def test_pixels_are_held_until_the_picture_is_forgotten(tmp_path: Path, tiny_vision: Vision) -> None:
    """So a batch of huge scans waits instead of filling the memory."""
    desk = Desk(tmp_path, tiny_vision, budget=24 * 18)
    read = desk.reader.read(desk.take(homes.picture()))
    assert not desk.has_room_for(1)
    desk.reader.forget(read)  # lets the one in that waits
    assert desk.has_room_for(24 * 18 - 1)


@pytest.mark.parametrize("kind", ["truncated", "over the cap", "no picture"])
def test_what_is_not_decoded_holds_no_pixels(tmp_path: Path, tiny_vision: Vision, kind: str) -> None:
    """Neither before nor after it is forgotten."""
    desk = Desk(tmp_path, tiny_vision, budget=1000)
    data = {
        "truncated": homes.picture()[:400],
        "over the cap": homes.picture(size=(1001, 1000)),
        "no picture": b"text",
    }[kind]
    read = desk.reader.read(desk.take(data))
    assert isinstance(read.content, Failed)
    desk.reader.forget(read)
    assert desk.has_room_for(1000)
    assert not desk.has_room_for(1)


def test_a_picture_larger_than_the_budget_goes_alone() -> None:
    """It is let in when nothing else is held, and nothing else while it is."""
    budget = PixelBudget(100)
    budget.acquire(1)
    inside = threading.Event()

    def huge() -> None:
        budget.acquire(500)
        inside.set()

    thread = threading.Thread(target=huge, daemon=True)
    thread.start()
    assert not inside.wait(0.2)
    budget.release(1)
    assert inside.wait(homes.PATIENCE_SECONDS)
    other = threading.Thread(target=budget.acquire, args=[1], daemon=True)
    other.start()
    other.join(0.2)
    assert other.is_alive()
    budget.release(500)
    other.join(homes.PATIENCE_SECONDS)
    assert not other.is_alive()


def test_a_recovered_picture_is_read_under_its_old_claim(desk: Desk) -> None:
    """Its attempts go on from where the last process left them."""
    desk.reader.read(desk.take(homes.picture()))
    [left] = desk.claims.recover()
    read: Read = desk.reader.read(Taken(left, desk.vision, NOW))
    assert isinstance(read.content, Picture)
    assert (read.claim.id, read.claim.attempts) == (left.id, 2)
