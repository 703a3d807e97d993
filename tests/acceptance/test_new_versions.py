"""A real daemon takes up what is promoted, rolled back or damaged while pictures stream in."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import homes
import pytest
from versions import NEXT, two_versions

from watcher.home import Home
from watcher.results import ResultRow, State

COLOURS = tuple(NEXT)
TAKEN_UP = b'"a new version is at work"'


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    two_versions(tmp_path / "models", tiny_home_models)
    return homes.make(tmp_path / "home", tmp_path / "models")


@contextmanager
def stream(home: Home) -> Iterator[None]:
    """Pictures without end, named by their colour."""
    stop = threading.Event()

    def work() -> None:
        for seed in itertools.count(1000):
            if stop.wait(0.01):
                return
            colour = COLOURS[seed % 3]
            homes.drop(home.inbox, f"stream/{colour}-{seed}.png", homes.picture(colour, seed))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def drop_all(home: Home, folder: str) -> None:
    """The same twelve contents in every folder."""
    for seed in range(12):
        colour = COLOURS[seed % 3]
        homes.drop(home.inbox, f"{folder}/{colour}-{seed}.png", homes.picture(colour, seed))


def results_in(home: Home, folder: str) -> list[ResultRow]:
    """Of the twelve, once all are there."""

    def found() -> list[ResultRow] | None:
        rows = [row for row in homes.rows(home) if row.grp == folder]
        return rows if len(rows) == 12 else None

    return homes.wait_for(found, f"those in {folder} are done")


def choose(home: Home, *command: str) -> None:
    """Has the daemon change its version by a command, and waits until it has."""
    before = (home.root / "log").read_bytes().count(TAKEN_UP)
    done = homes.watcher("models", *command, home=home.root)
    assert done.returncode == 0, done.stderr
    homes.wait_for(lambda: (home.root / "log").read_bytes().count(TAKEN_UP) > before, "the version is taken up")


def test_versions_are_taken_up_while_pictures_stream_in(home: Home) -> None:
    """Each label is that of the version beside it; from a switch on only the new version is used, nothing is lost."""
    with homes.daemon_process(home), stream(home):
        drop_all(home, "first")
        assert {(row.model_version, row.state) for row in results_in(home, "first")} == {(1, State.DONE)}
        choose(home, "promote", "tiny", "2")
        drop_all(home, "second")  # known contents, but not to this version
        assert {(row.model_version, row.state) for row in results_in(home, "second")} == {(2, State.DONE)}
        choose(home, "rollback", "tiny")
        drop_all(home, "third")
        assert {(row.model_version, row.state) for row in results_in(home, "third")} == {(1, State.DUPLICATE)}
    homes.run_once(home)  # what the killed daemon had left
    rows = homes.rows(home)
    assert {row.model_version for row in rows} == {1, 2}
    assert {row.state for row in rows} == {State.DONE, State.DUPLICATE}
    for row in rows:
        colour = row.name.partition("-")[0]
        assert row.label == (colour if row.model_version == 1 else NEXT[colour]), row
    assert homes.paths(home.done) == {row.path for row in rows}
    errors = {line for line in (home.root / "log").read_text().splitlines() if '"level": "error"' in line}
    assert errors == set()


def test_a_damaged_new_version_changes_nothing(home: Home) -> None:
    """The command refuses it; where somebody made it current by hand, the old one works on, and status says so."""
    (home.models / "tiny/2/model.keras").write_bytes(b"damaged")
    with homes.daemon_process(home):
        drop_all(home, "first")
        results_in(home, "first")
        done = homes.watcher("models", "promote", "tiny", "2", home=home.root)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert (home.models / "tiny/current").read_text() == "1\n"
        (home.models / "tiny/current").write_text("2\n")
        [behind] = homes.wait_for(
            lambda: homes.watcher_json("status", home=home.root)["models_behind"], "status tells of it"
        )
        assert (behind["model"], behind["working"]) == ("tiny", 1)
        assert "was changed since it was stored" in behind["reason"]
        drop_all(home, "second")
        assert {row.model_version for row in results_in(home, "second")} == {1}
        log = (home.root / "log").read_text()
        assert log.count("the current version cannot be used; an earlier one goes on") == 1
        assert homes.watcher("models", "rollback", "tiny", home=home.root).returncode == 0
        homes.wait_for(lambda: not homes.watcher_json("status", home=home.root)["models_behind"], "all is well")
