"""A start that is not possible at the moment is waited for, and told of; what waiting cannot mend ends it at once."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import homes
import pytest
import tiny_model
from lasting import said
from ledger import tally
from structlog.testing import capture_logs

from watcher.errors import HomeError, HomeUnavailable, WatcherError
from watcher.home import Home
from watcher.results import DatabaseUnavailable, connect, soundness
from watcher.results.errors import SchemaTooNew
from watcher.service import identity, patience
from watcher.service.daemon import Daemon
from watcher.service.note import read

ENOUGH_SECONDS = 20.0


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that a test can wait for."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(connect, "BUSY_MS", 50)
    monkeypatch.setattr(soundness, "BUSY_SECONDS", 0.05)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    tiny_model.install(tmp_path / "models")
    return homes.make(tmp_path / "home", tmp_path / "models")


def daemon(home: Home, stop: threading.Event) -> Daemon:
    return Daemon(home, lambda _: None, threading.Event(), stop, partial(tiny_model.load, home.models))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program has the whole database to itself."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """A folder that comes back."""
    folder.rename(folder.with_name("away"))
    yield
    folder.with_name("away").rename(folder)


OBSTACLES: dict[str, tuple[Callable[[Home], AbstractContextManager[None]], str, str]] = {
    "a locked database": (
        lambda home: locked(home.root / "watcher.db"), "opening the results database", "database is locked"
    ),
    "no inbox": (lambda home: away(home.inbox), "reading the inbox", "No such file or directory"),
}  # fmt: skip


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_start_waits_and_then_goes_on_by_itself(home: Home, obstacle: str) -> None:
    """The log says once why, and so does what `status` reads; the pictures that wait are done then."""
    homes.drop(home.inbox, "a.png", homes.picture("red", 1))
    daemon(home, threading.Event()).run(once=True)
    homes.drop(home.inbox, "b.png", homes.picture("red", 2))
    in_the_way, what, reason = OBSTACLES[obstacle]
    free = ExitStack()
    free.enter_context(in_the_way(home))
    with capture_logs() as logs, free, homes.daemon_thread(home, load=partial(tiny_model.load, home.models)):
        [trouble] = homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
        assert (trouble.what, reason in trouble.reason) == (what, True)
        free.close()
        homes.wait_for(lambda: "b.png" in homes.paths(home.done), "all is done")
        assert read(home.root).troubles == ()
    assert [line["event"] for line in logs if line.get("what") == what] == [
        "not possible now; trying again until it is",
        "possible again",
    ]
    rows = homes.rows(home)
    tally("a start that has to wait", tried=1, lost=2 - len({row.path for row in rows}), doubled=len(rows) - 2)
    assert {row.path for row in rows} == homes.paths(home.done) == {"a.png", "b.png"}
    assert len(rows) == 2


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_once_does_not_wait(home: Home, obstacle: str) -> None:
    """Whoever has called it hears why, and calls again."""
    daemon(home, threading.Event()).run(once=True)
    with OBSTACLES[obstacle][0](home), pytest.raises((WatcherError, OSError), match=OBSTACLES[obstacle][2]):
        daemon(home, threading.Event()).run(once=True)


def test_sigterm_ends_a_start_that_waits(tmp_path: Path, daemons) -> None:
    """With the exit code 0, and nothing is changed."""
    home, log = daemons.make_home(tmp_path / "home"), tmp_path / "log"
    home.inbox.rmdir()
    daemons.start(home, log, until="not possible now")
    assert daemons.end() == 0
    assert "ended before it could begin" in said(log)
    assert not home.inbox.exists()


@pytest.fixture
def url() -> Iterator[str]:
    """Of a PostgreSQL server that is not up yet: nobody listens at its port."""
    pytest.importorskip("psycopg")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"postgresql://watcher:hidden-word@127.0.0.1:{taken.getsockname()[1]}/pictures"


def test_a_server_that_is_not_up_yet_is_waited_for(tmp_path: Path, daemons, url: str) -> None:
    """What is said of it holds no password; `--once` ends with it."""
    home, log = daemons.make_home(tmp_path / "home", database={"url": url}), tmp_path / "log"
    daemons.start(home, log, until="not possible now")
    [trouble] = homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
    assert trouble.what == "opening the results database"
    told = homes.watcher("status", home=home.root)
    assert (told.returncode, "Not possible since" in told.stdout) == (1, True), told.stderr
    assert "does not answer" in trouble.reason and "refused" in trouble.reason
    assert daemons.end() == 0
    assert "hidden-word" not in said(log) + trouble.reason
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        daemon(home, threading.Event()).run(once=True)


def newer(home: Home) -> None:
    with closing(sqlite3.connect(home.root / "watcher.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def garbled(home: Home) -> None:
    (home.root / identity.NAME).write_text("?")


def no_lock(home: Home) -> None:
    home.lock.unlink()
    home.lock.mkdir()


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(("break_it", "fault"), [(newer, SchemaTooNew), (garbled, HomeError), (no_lock, HomeError)])
def test_what_waiting_cannot_mend_ends_the_start(
    home: Home, break_it: Callable[[Home], None], fault: type[WatcherError]
) -> None:
    """At once, with its sentence."""
    daemon(home, threading.Event()).run(once=True)
    break_it(home)
    stop = threading.Event()
    enough = threading.Timer(ENOUGH_SECONDS, stop.set)
    enough.start()
    try:
        with pytest.raises(fault) as raised:
            daemon(home, stop).run(once=False)
    finally:
        enough.cancel()
    assert not isinstance(raised.value, HomeUnavailable)
