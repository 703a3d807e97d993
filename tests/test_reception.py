"""The front of the daemon: what it gives back to the inbox, and how it ends."""

from __future__ import annotations

import threading
from pathlib import Path

import homes
import pytest
from structlog.testing import capture_logs

from watcher.clock import utc
from watcher.home import Home
from watcher.intake.arrivals import Claim, Gone
from watcher.intake.claims import ClaimFolder
from watcher.intake.inbox import Inbox
from watcher.intake.settle import Settler
from watcher.models.registry import Registry
from watcher.service.bench import Bench
from watcher.service.reading import PixelBudget, Reader
from watcher.service.reception import Reception
from watcher.service.routes import Routes
from watcher.vision.outcome import Failed, Picture
from watcher.vision.vision import Vision


class Front:
    """A reception with an inbox that settles at once, and a clock that its `take` moves on."""

    def __init__(self, home: Home, vision: Vision, pixels: int = 10**9) -> None:
        self.claims = ClaimFolder(home.inbox, "abcdefgh")
        self.claims.make()
        self.budget = PixelBudget(pixels)
        inbox = Inbox(home.inbox, Settler(0), lambda seen: sorted(seen, key=lambda each: each.path), 0.1)
        bench = Bench(lambda _: vision, lambda: 0.0)
        routes = Routes(home.settings.models, Registry(home.models))
        self.reception = Reception(inbox, self.claims, routes, bench, Reader(self.claims, self.budget, 1), 8, 2, utc)
        self.now = 0.0
        self.gone: list[Gone] = []

    def take(self) -> None:
        for _ in range(2):
            self.now += 10
            self.reception.take(self.now, self.gone)

    def close(self) -> None:
        """In a thread, for a test had better fail than hang."""
        closing = threading.Thread(target=self.reception.close, daemon=True)
        closing.start()
        closing.join(homes.PATIENCE_SECONDS)
        assert not closing.is_alive()


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return homes.make(tmp_path, tiny_home_models)


def test_what_was_not_handed_out_goes_back(home: Home, tiny_vision: Vision) -> None:
    """Read or not, when the daemon ends."""
    front = Front(home, tiny_vision)
    for seed in range(30):
        homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
    front.take()
    assert len(front.claims.ids()) == 16  # two batches, and no more of the inbox
    handed = front.reception.batch()
    front.close()
    assert len(front.claims.ids()) == len(handed) > 0
    assert len(list(home.inbox.glob("*.png"))) == 30 - len(handed)


def test_pictures_that_wait_for_room_do_not_keep_the_daemon_from_ending(home: Home, tiny_vision: Vision) -> None:
    """One that is too large to be decoded beside another waits for it; both go back to the inbox."""
    homes.drop(home.inbox, "1-large.png", homes.picture("red", size=(100, 100)))
    homes.drop(home.inbox, "2-small.png", homes.picture("red", size=(10, 10)))
    front = Front(home, tiny_vision, pixels=10_000)
    front.budget.acquire(1)  # so that the large one waits, and the small one comes past it
    front.take()
    homes.wait_for(lambda: front.budget._used == 1 + 10 * 10, "the small one is decoded")
    front.budget.release(1)
    front.close()
    assert homes.paths(home.inbox) == {"1-large.png", "2-small.png"}


def test_a_picture_that_is_put_back_and_gone_is_not_missed(home: Home, tiny_vision: Vision) -> None:
    """Somebody took it out of the claim folder; the others go on."""
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    front = Front(home, tiny_vision)
    front.take()
    [read] = front.reception.batch()
    front.claims.file(read.claim).unlink()
    front.reception.put_back(read)
    homes.drop(home.inbox, "b.png", homes.picture("blue"))
    front.take()
    assert [each.claim.path for each in front.reception.batch()] == ["b.png"]
    front.close()


def test_a_picture_that_cannot_be_seen_for_a_moment_is_not_given_up(
    home: Home, tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its share goes away after the first look at it, and is back at the second: it goes back to the inbox."""
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    front = Front(home, tiny_vision)
    front.take()
    away, file, looks = home.root / "away", ClaimFolder.file, []

    def look(claims: ClaimFolder, claim: Claim) -> Path:
        looks.append(claim)
        if len(looks) == 1:
            home.inbox.rename(away)
        return file(claims, claim)

    def must_be_there(claims: ClaimFolder) -> None:
        if looks and away.exists():
            away.rename(home.inbox)

    [read] = front.reception.batch()
    monkeypatch.setattr(ClaimFolder, "file", look)
    monkeypatch.setattr(ClaimFolder, "must_be_there", must_be_there)
    front.reception.put_back(read)
    front.close()
    assert homes.paths(home.inbox) == {"a.png"}


def test_an_inbox_that_is_away_when_the_daemon_ends_keeps_its_claims(home: Home, tiny_vision: Vision) -> None:
    """They cannot go back now, so the next start takes them; nothing is made in the empty mount point."""
    homes.drop(home.inbox, "s/a.png", homes.picture("red"))
    front = Front(home, tiny_vision)
    front.take()
    away = home.root / "away"
    home.inbox.rename(away)
    home.inbox.mkdir()
    with capture_logs() as logs:
        front.close()
    assert any("the next start takes them" in line["event"] for line in logs)
    home.inbox.rmdir()
    away.rename(home.inbox)
    assert [claim.path for claim in front.claims.recover()] == ["s/a.png"]


def test_a_picture_for_which_the_memory_is_too_small_is_tried_by_the_next_start(
    home: Home, tiny_vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon ends with the fault; the attempt is counted, so that a third one is the last."""
    decode = Vision.decode

    def too_much(self: Vision, data: bytes) -> Picture | Failed:
        if data == homes.picture("red"):
            raise MemoryError
        return decode(self, data)

    for name, label in (("a.png", "red"), ("b.png", "blue"), ("c.png", "green")):
        homes.drop(home.inbox, name, homes.picture(label))
    with monkeypatch.context() as patch:
        patch.setattr(Vision, "decode", too_much)
        for attempts in (1, 2, 3):
            with pytest.raises(MemoryError):
                homes.run_once(home)
            [claim] = [path.name for path in (home.inbox / ".watcher").iterdir() if path.name.endswith("a.png")]
            assert claim.split(".")[2] == str(attempts)
        rows = {row.path: row for row in homes.run_once(home)}
    assert rows["a.png"].reason == "Watcher stopped 3 times while it worked on this picture, which may be the cause"
    assert (rows["b.png"].label, rows["c.png"].label) == ("blue", "green")
    assert homes.paths(home.done) == {"b.png", "c.png"}


def test_what_waits_for_a_model_that_cannot_be_run_goes_back_with_its_batch(home: Home, tiny_vision: Vision) -> None:
    """Read or not; but what could not be read never needed it."""
    front = Front(home, tiny_vision)
    for seed in range(14):
        homes.drop(home.inbox, f"{seed:02}.png", homes.picture("red", seed) if seed % 7 else b"none")
    front.take()
    batch = front.reception.batch()
    failed = front.reception.lay_off(batch, "out of memory")
    while not front.reception.idle:
        failed += front.reception.batch()
    assert sorted(read.claim.path for read in failed) == ["00.png", "07.png"]
    front.close()
    assert len(front.claims.ids()) == 2
    assert len(list(home.inbox.glob("*.png"))) == 12
    assert front.budget._used == 0
