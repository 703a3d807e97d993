"""The world's faults: said once, waited for, and never the picture's."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import homes
import pytest
from structlog.testing import capture_logs

from watcher.results import DatabaseUnavailable, State, connect
from watcher.service import patience
from watcher.service.judging import Judge
from watcher.service.patience import Patience, Stopped
from watcher.service.status import status


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that a test can wait for."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(connect, "BUSY_MS", 50)


def test_a_step_is_tried_until_it_works() -> None:
    """Its result is what the last try gave; each fault is said once, and that it is over."""
    faults = [OSError(28, "No space left"), OSError(28, "No space left"), DatabaseUnavailable(where="x", why="locked")]

    def step() -> int:
        if faults:
            raise faults.pop(0)
        return 7

    with capture_logs() as logs:
        assert Patience(threading.Event())(step, "writing") == 7
    assert [(line["log_level"], line.get("reason", "over")) for line in logs] == [
        ("error", "No space left"),
        ("error", "the results database x does not answer: locked"),
        ("info", "over"),
    ]


def test_a_step_that_works_says_nothing() -> None:
    """Not even where the daemon is about to end: it is tried once all the same."""
    stop = threading.Event()
    stop.set()
    with capture_logs() as logs:
        assert Patience(stop)(lambda: 7, "writing") == 7
    assert logs == []


def test_waiting_ends_when_the_daemon_does() -> None:
    """With the fault as its cause."""
    stop = threading.Event()

    def step() -> None:
        stop.set()
        raise OSError(5, "Input/output error")

    with pytest.raises(Stopped) as stopped:
        Patience(stop)(step, "writing")
    assert isinstance(stopped.value.__cause__, OSError)


def test_another_fault_ends_the_trouble() -> None:
    """Whoever takes care of it need not know what was waited for before."""
    told: list[bool] = []
    faults = [OSError(28, "No space left"), ZeroDivisionError()]

    def step() -> None:
        raise faults.pop(0)

    with pytest.raises(ZeroDivisionError):
        Patience(threading.Event(), lambda what, reason: told.append(reason is not None))(step, "writing")
    assert told == [True, False]


def test_a_mistake_of_ours_is_not_waited_for() -> None:
    """Only the world mends by itself."""
    with pytest.raises(ZeroDivisionError):
        Patience(threading.Event())(lambda: 1 / 0, "dividing")


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else writes to the database, for long."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_locked_database_is_waited_for(tmp_path: Path, tiny_home_models: Path) -> None:
    """The picture stays claimed meanwhile, and is then recorded once; a new one of its name is kept apart."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.run_once(home)
    with homes.daemon_thread(home):
        with locked(home.root / "watcher.db"):
            homes.drop(home.inbox, "a.png", homes.picture("red"))
            homes.wait_for(lambda: homes.paths(home.outbox) == {"a.png"}, "the copy is published")
            assert homes.rows(home) == []
            homes.drop(home.inbox, "a.png", homes.picture("blue"))
            homes.wait_for(lambda: "a.png" not in homes.paths(home.inbox), "the second is claimed")
        homes.wait_for(lambda: len(homes.paths(home.done)) == 2, "both are released")
    rows = homes.rows(home)
    assert [(row.name, row.label, row.state) for row in rows] == [
        ("a.png", "red", State.DONE),
        ("a.png", "blue", State.DONE),
    ]
    assert (home.done / "a.png").read_bytes() == homes.picture("red")
    assert len(homes.paths(home.outbox)) == 2
    assert homes.paths(home.inbox) == set()


def test_a_kept_picture_that_comes_back_beside_another_is_done(tmp_path: Path, tiny_home_models: Path) -> None:
    """A new one has taken its name while it was in work; under its new name it is no new arrival."""
    home = homes.make(tmp_path, tiny_home_models, intake={"originals": "keep"})
    homes.run_once(home)
    with homes.daemon_thread(home):
        with locked(home.root / "watcher.db"):
            homes.drop(home.inbox, "a.png", homes.picture("red"))
            homes.wait_for(lambda: homes.paths(home.outbox), "the copy is published")
            homes.drop(home.inbox, "a.png", homes.picture("blue"))
        homes.wait_for(lambda: len(homes.rows(home)) == 2, "both are recorded")
    rows = homes.run_once(home)
    assert [(row.path, row.label) for row in rows] == [("a.png", "red"), ("a.png", "blue")]
    pictures = {path: (home.inbox / path).read_bytes() for path in homes.paths(home.inbox)}
    assert sorted(pictures.values()) == sorted([homes.picture("red"), homes.picture("blue")])
    assert status(home).waiting == 0


def test_a_daemon_that_ends_while_it_waits_leaves_the_claim_for_the_next(
    tmp_path: Path, tiny_home_models: Path
) -> None:
    """It ends soon and without a fault, and nothing is lost or doubled."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.run_once(home)
    with capture_logs() as logs, locked(home.root / "watcher.db"):
        with homes.daemon_thread(home):
            for seed in range(30):
                homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
            homes.wait_for(lambda: any("not possible" in line["event"] for line in logs), "the daemon complains")
        assert homes.rows(home) == []
        assert any("the next start goes on" in line["event"] for line in logs)
    rows = homes.run_once(home)
    assert sorted(row.name for row in rows) == sorted(f"{seed}.png" for seed in range(30))
    assert len(homes.paths(home.outbox)) == len(homes.paths(home.done)) == 30
    assert homes.paths(home.inbox) == set()


def test_a_mistake_ends_a_daemon_that_waits(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told now, not when the database is free again; the claims are kept for the next start."""
    home = homes.make(tmp_path, tiny_home_models, inference={"batch_size": 1})
    homes.run_once(home)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    judge = Judge.__call__

    def broken(self: Judge, batch: Sequence[Any]) -> list[Any]:
        if homes.paths(home.outbox):
            raise ZeroDivisionError("a mistake")
        return judge(self, batch)

    def work() -> None:
        with homes.daemon_thread(home) as thread:
            homes.wait_for(lambda: homes.paths(home.outbox), "the first is published")
            homes.drop(home.inbox, "b.png", homes.picture("blue"))
            homes.wait_for(lambda: not thread.is_alive(), "the daemon has ended")

    with monkeypatch.context() as patch, locked(home.root / "watcher.db"):
        patch.setattr(Judge, "__call__", broken)
        with pytest.raises(ZeroDivisionError):
            work()
    assert sorted(row.path for row in homes.run_once(home)) == ["a.png", "b.png"]


def test_an_outbox_that_cannot_be_written_is_waited_for(tmp_path: Path, tiny_home_models: Path) -> None:
    """Nothing is recorded before the copy is there."""
    home = homes.make(tmp_path, tiny_home_models)
    shutil.rmtree(home.outbox)
    home.outbox.write_text("in the way")
    with capture_logs() as logs, homes.daemon_thread(home):
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.wait_for(lambda: any("not possible" in line["event"] for line in logs), "the daemon complains")
        assert homes.rows(home) == []
        home.outbox.unlink()
        homes.wait_for(lambda: homes.rows(home), "the picture is done")
    assert homes.paths(home.outbox) == {"a.png"}
    assert sum("not possible" in line["event"] for line in logs) == 1


def test_an_inbox_that_goes_away_is_waited_for(tmp_path: Path, tiny_home_models: Path) -> None:
    """An empty mount point is not an empty inbox: nothing has vanished, and all goes on when it is back."""
    home = homes.make(tmp_path, tiny_home_models, intake={"settle_seconds": 0.3})
    with capture_logs() as logs, homes.daemon_thread(home):
        homes.wait_for(lambda: any(line["event"] == "watching" for line in logs), "the daemon watches")
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        os.rename(home.inbox, tmp_path / "away")
        home.inbox.mkdir()
        homes.wait_for(lambda: any("not possible" in line["event"] for line in logs), "the daemon complains")
        home.inbox.rmdir()
        os.rename(tmp_path / "away", home.inbox)
        homes.wait_for(lambda: homes.rows(home), "the picture is done")
    assert [row.state for row in homes.rows(home)] == [State.DONE]
    assert homes.paths(home.inbox) == set()
