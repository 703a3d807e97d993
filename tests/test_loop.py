"""The loop under faults: how it ends, what it puts back, what it goes on with, and when `--once` is done."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import homes
import pytest
from structlog.testing import capture_logs

from watcher.home import Home
from watcher.intake.arrivals import Claim, Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import look
from watcher.results import Finished, State
from watcher.service.daemon import Daemon
from watcher.service.identity import identity
from watcher.service.judging import Judge
from watcher.service.reception import MOST_ATTEMPTS


def fill(home: Home, count: int) -> set[str]:
    names = {f"s/{seed}.png" for seed in range(count)}
    for seed, name in enumerate(sorted(names)):
        homes.drop(home.inbox, name, homes.picture("green", seed))
    return names


def test_a_fault_while_classifying_ends_the_daemon_and_puts_all_back(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours is told, not swallowed; no claim is left behind, and the next start does the work."""
    home = homes.make(tmp_path, tiny_home_models)
    names = fill(home, 20)

    def broken(self: Judge, batch: Sequence[object]) -> list[object]:
        raise ZeroDivisionError("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(Judge, "__call__", broken)
        with pytest.raises(ZeroDivisionError):
            homes.run_once(home)
    assert homes.paths(home.inbox) == names
    assert len(homes.run_once(home)) == 20


@pytest.mark.parametrize("once", [True, False])
def test_a_fault_while_finishing_ends_the_daemon(tmp_path: Path, tiny_home_models: Path, once: bool) -> None:
    """Also where no other batch follows that would meet it; what was not recorded waits for the next start."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 3)

    def broken(rows: Sequence[Finished]) -> None:
        raise ZeroDivisionError("a mistake")

    def work() -> None:
        with homes.daemon_thread(home, broken, once=once) as thread:
            homes.wait_for(lambda: not thread.is_alive(), "the daemon has ended")

    with pytest.raises(ZeroDivisionError):
        work()
    homes.run_once(home)
    assert len(homes.rows(home)) == 3
    assert homes.paths(home.inbox) == set()


def test_a_fault_while_finishing_gives_back_what_comes_after_it(tmp_path: Path, tiny_home_models: Path) -> None:
    """Many batches are on their way when the first fails; all of them end as they should in the next start."""
    home = homes.make(tmp_path, tiny_home_models)
    names = fill(home, 60)

    def broken(rows: Sequence[Finished]) -> None:
        raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError):
        Daemon(home, broken, threading.Event(), threading.Event()).run(once=True)
    rows = homes.run_once(home)
    assert sorted(row.path for row in rows) == sorted(names)
    assert homes.paths(home.done) == homes.paths(home.outbox) == names


def test_a_picture_that_changed_after_its_claim_is_done_later(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--once` does not take an inbox for empty because all that it read had to go back there."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 1)
    attempt = ClaimFolder.attempt
    touched: list[Claim] = []

    def touch(self: ClaimFolder, claim: Claim) -> Claim:
        if not touched:
            touched.append(claim)
            os.utime(self.file(claim), ns=(1, 1))
        return attempt(self, claim)

    monkeypatch.setattr(ClaimFolder, "attempt", touch)
    [row] = homes.run_once(home)
    assert (row.path, row.state) == ("s/0.png", State.DONE)
    assert touched
    assert homes.paths(home.inbox) == set()


@pytest.mark.parametrize("code", [errno.EIO, errno.EBUSY])
def test_a_picture_that_could_not_be_claimed_is_tried_again(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A share that stumbles, or a writer's lock on it, does not make `--once` overlook a picture."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 1)
    claim = ClaimFolder.claim
    refused: list[str] = []

    def stumble(self: ClaimFolder, seen: Seen) -> Claim | None:
        if not refused:
            refused.append(seen.path)
            raise OSError(code, os.strerror(code))
        return claim(self, seen)

    monkeypatch.setattr(ClaimFolder, "claim", stumble)
    with capture_logs() as logs:
        assert len(homes.run_once(home)) == 1
    assert any("not possible" in line["event"] for line in logs) == (code == errno.EIO)


def test_a_picture_that_may_not_be_claimed_holds_up_no_other(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is, the log says so once for its folder, and `--once` ends all the same."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 3)
    claim = ClaimFolder.claim

    def refuse(self: ClaimFolder, seen: Seen) -> Claim | None:
        if seen.path == "s/1.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return claim(self, seen)

    monkeypatch.setattr(ClaimFolder, "claim", refuse)
    with capture_logs() as logs:
        assert len(homes.run_once(home)) == 2
    assert homes.paths(home.inbox) == {"s/1.png"}
    assert [line["folder"] for line in logs if "cannot be claimed" in line["event"]] == ["s"]


def tried(home: Home, path: str, attempts: int) -> Claim:
    """What a process leaves that died while it had `path` open, for so many times."""
    claims = ClaimFolder(home.inbox, identity(home.root))
    claims.make()
    seen = look(home.inbox, path)
    assert seen
    claim = claims.claim(seen)
    assert claim
    for _ in range(attempts):
        claim = claims.attempt(claim)
    return claim


def test_a_picture_that_ended_three_processes_is_set_aside(tmp_path: Path, tiny_home_models: Path) -> None:
    """It goes to failed with a reason, unopened; its row counts the attempts."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 2)
    tried(home, "s/0.png", MOST_ATTEMPTS)
    tried(home, "s/1.png", MOST_ATTEMPTS - 1)
    rows = {row.path: row for row in homes.run_once(home)}
    assert rows["s/1.png"].state is State.DONE
    assert rows["s/0.png"].state is State.FAILED
    assert rows["s/0.png"].reason == "Watcher stopped 3 times while it worked on this picture, which may be the cause"
    assert homes.paths(home.failed) == {"s/0.png", "s/0.png.reason.txt"}


def test_pictures_that_were_open_in_a_crash_go_one_by_one(tmp_path: Path, tiny_home_models: Path) -> None:
    """If one of them is the cause, it takes no other with it; what had not been opened goes before them."""
    home = homes.make(tmp_path, tiny_home_models)
    fill(home, 7)
    for seed in range(7):
        tried(home, f"s/{seed}.png", seed % 2)
    batches: list[list[int]] = []
    Daemon(home, lambda rows: batches.append([row.attempts for row in rows]), threading.Event(), threading.Event()).run(
        once=True
    )
    assert batches[-3:] == [[2], [2], [2]]
    assert [attempts for batch in batches[:-3] for attempts in batch] == [1, 1, 1, 1]


def test_an_old_claim_whose_model_is_missing_goes_back_to_wait(tmp_path: Path, tiny_home_models: Path) -> None:
    """It is not stuck in the claim folder until somebody brings the model."""
    home = homes.make(tmp_path, tiny_home_models, models={"default": "tiny", "routes": {"s": "absent"}})
    names = fill(home, 2)
    tried(home, "s/0.png", 1)
    assert homes.run_once(home) == []
    assert homes.paths(home.inbox) == names


def test_a_daemon_stopped_while_it_recovers_leaves_the_rest_for_the_next(
    tmp_path: Path, tiny_home_models: Path
) -> None:
    """Their attempts are kept; nothing is lost."""
    home = homes.make(tmp_path, tiny_home_models)
    names = fill(home, 6)
    for seed in range(6):
        tried(home, f"s/{seed}.png", 1)
    wake, stop = threading.Event(), threading.Event()
    Daemon(home, lambda rows: stop.set(), wake, stop).run(once=False)
    done = len(homes.rows(home))
    assert 1 <= done < 6
    assert len(homes.paths(home.inbox)) == 6 - done
    assert len(homes.run_once(home)) == 6
    assert homes.paths(home.done) == names


@pytest.mark.parametrize("once", [True, False])
def test_a_daemon_that_is_stopped_at_once_ends_at_once(tmp_path: Path, tiny_home_models: Path, once: bool) -> None:
    """A signal may come before the loop begins."""
    home = homes.make(tmp_path, tiny_home_models)
    names = fill(home, 1)
    wake, stop = threading.Event(), threading.Event()
    stop.set()
    Daemon(home, lambda _: None, wake, stop).run(once=once)
    assert homes.paths(home.inbox) == names
