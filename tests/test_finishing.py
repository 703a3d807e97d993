"""Publish, record, release: in this order, each to be repeated without harm, whenever the process dies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import homes
import pytest

from watcher.clock import utc
from watcher.home import Home
from watcher.intake.arrivals import Claim
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import look
from watcher.models.registry import Registry
from watcher.results import Database, Finished, State
from watcher.service.finishing import TAKEN_BACK, Finisher
from watcher.service.identity import identity
from watcher.service.judging import Judge
from watcher.service.reading import GONE, PixelBudget, Reader
from watcher.service.routes import Routes
from watcher.service.work import Judged, Published, Read, Taken, Vanished
from watcher.vision.vision import Vision


def record(finisher: Finisher, published: Sequence[Published]) -> list[Finished]:
    rows = finisher.rows(published)
    finisher.record(rows)
    return rows


class Process:
    """A daemon's parts, to be worked by hand up to where the process is to die."""

    def __init__(self, home: Home, vision: Vision) -> None:
        self.home = home
        self.vision = vision
        self.claims = ClaimFolder(home.inbox, identity(home.root))
        self.claims.make()
        self.database = Database.open(home.settings.database.url, home.root)
        self.database.migrate()
        routes = Routes(home.settings.models, Registry(home.models))
        self.finisher = Finisher(home, self.claims, routes, self.database, utc, threads=2)
        self.reader = Reader(self.claims, PixelBudget(10**9), 1)

    def claim(self, path: str) -> Claim:
        seen = look(self.home.inbox, path)
        assert seen
        claim = self.claims.claim(seen)
        assert claim
        return claim

    def read(self, path: str) -> Read:
        return self.reader.read(Taken(self.claim(path), self.vision, utc()))

    def judged(self, *paths: str) -> list[Judged]:
        return Judge(self.database, reuse=True)([self.read(path) for path in paths])

    def die(self) -> None:
        self.finisher.close()
        self.database.close()


@pytest.fixture
def start(tiny_vision: Vision) -> Iterator[Callable[[Home], Process]]:
    started: list[Process] = []

    def start(home: Home) -> Process:
        started.append(Process(home, tiny_vision))
        return started[-1]

    yield start
    for process in started:
        process.die()


# How far the process comes before it dies.
STEPS = ["claimed", "read", "half a copy", "published", "recorded", "moved", "released"]


def work_until(process: Process, step: str) -> None:
    names = ["s/good.png", "s/twin.png", "s/bad.png"]
    if step == "claimed":
        for name in names:
            process.claim(name)
        return
    judged = process.judged(*names)
    if step == "read":
        return
    if step == "half a copy":
        (process.home.outbox / f".watcher-{judged[0].read.claim.id}.tmp").write_bytes(b"half")
        return
    published = process.finisher.publish(judged)
    if step == "published":
        return
    rows = record(process.finisher, published)
    if step == "recorded":
        return
    if step == "moved":
        for row in rows:
            if row.original_path:
                (process.home.root / row.original_path).parent.mkdir(exist_ok=True)
        process.finisher.put_away(judged[0].read.claim, rows[0])
        return
    process.finisher.release(published, rows)


@pytest.mark.parametrize("originals", ["move", "keep", "delete"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_neither_loses_nor_doubles(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process], step: str, originals: str
) -> None:
    """Whatever the dead process had done, the next one ends with one row, one copy and one original each."""
    home = homes.make(tmp_path, tiny_home_models, intake={"originals": originals})
    for name, data in [("good", homes.picture("red")), ("twin", homes.picture("red")), ("bad", b"text")]:
        homes.drop(home.inbox, f"s/{name}.png", data)
    process = start(home)
    work_until(process, step)
    process.die()
    for _ in range(2):  # to start once more changes nothing
        rows = homes.run_once(home)
        assert sorted(row.path for row in rows) == ["s/bad.png", "s/good.png", "s/twin.png"]
        states = {row.path: row.state for row in rows}
        assert states.pop("s/bad.png") is State.FAILED
        assert set(states.values()) == {State.DONE, State.DUPLICATE}
        assert homes.paths(home.outbox) == {"s/good.png", "s/twin.png"}
        assert homes.paths(home.failed) == {"s/bad.png", "s/bad.png.reason.txt"}
        good = {"s/good.png", "s/twin.png"}
        assert homes.paths(home.done) == (good if originals == "move" else set())
        assert homes.paths(home.inbox) == (good if originals == "keep" else set())


def test_each_step_may_be_repeated_at_once(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process]
) -> None:
    """As it is when the disk was full, or the database locked, in the middle of one."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "s/good.png", homes.picture("red"))
    homes.drop(home.inbox, "s/bad.png", b"text")
    process = start(home)
    judged = process.judged("s/good.png", "s/bad.png")
    for _ in range(2):
        published = process.finisher.publish(judged)
    for _ in range(2):
        rows = record(process.finisher, published)
    for _ in range(2):
        process.finisher.release(published, rows)
    assert [row.state for row in homes.rows(home)] == [State.DONE, State.FAILED]
    assert homes.paths(home.outbox) == homes.paths(home.done) == {"s/good.png"}
    assert homes.paths(home.failed) == {"s/bad.png", "s/bad.png.reason.txt"}
    assert homes.paths(home.inbox) == set()


def test_a_copy_is_on_disk_before_its_row_and_its_row_before_the_move(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process]
) -> None:
    """So whoever sees a row finds the copy, and an original that was moved has its row."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    process = start(home)
    published = process.finisher.publish(process.judged("a.png"))
    assert published[0].copy == home.outbox / "a.png"
    assert homes.rows(home) == []
    [row] = record(process.finisher, published)
    assert [(found.outbox_path, found.path) for found in homes.rows(home)] == [("outbox/a.png", "a.png")]
    assert row.original_path == "done/a.png"
    assert process.claims.file(published[0].judged.read.claim).exists()
    process.finisher.release(published, [row])
    assert (home.done / "a.png").read_bytes() == homes.picture("red")


def test_what_vanished_and_is_here_again_is_taken_anew(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process]
) -> None:
    """A share that came back brings its pictures; that they were missed once must not cost them."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    process = start(home)
    read = process.read("a.png")
    file = process.claims.file(read.claim)
    file.rename(tmp_path / "away")
    published = process.finisher.publish([Judged(read, Vanished(GONE))])
    record(process.finisher, published)
    (tmp_path / "away").rename(file)
    process.die()
    assert [row.state for row in homes.run_once(home)] == [State.VANISHED, State.DONE]
    assert homes.paths(home.done) == {"a.png"}


def test_what_was_taken_back_is_recorded_as_vanished(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process]
) -> None:
    """Under a clean name, with its group, so that the books balance."""
    from watcher.intake.arrivals import Fingerprint, Gone

    home = homes.make(tmp_path, tiny_home_models, models={"default": "tiny", "routes": {"r": "tiny"}})
    process = start(home)
    path = os.fsdecode(b"r/slide/caf\xe9.png")
    process.finisher.record(process.finisher.taken_back([Gone(path, Fingerprint(1, 2, 3, 4))]))
    [row] = homes.rows(home)
    assert (row.state, row.path, row.name, row.grp) == (
        State.VANISHED,
        "r/slide/caf%E9.png",
        "caf%E9.png",
        "slide",
    )
    assert row.reason == TAKEN_BACK


def test_a_failed_picture_has_its_reason_beside_it(tmp_path: Path, tiny_home_models: Path) -> None:
    """In words, in a file named after it, which a better copy later outlives."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "s/bad.png", b"just text\n")
    [row] = homes.run_once(home)
    note = (home.failed / "s/bad.png.reason.txt").read_text()
    assert row.reason and row.reason in note
    assert "s/bad.png" in note
    assert (home.failed / "s/bad.png").read_bytes() == b"just text\n"


def test_a_failed_picture_is_tried_again_when_it_is_moved_back(tmp_path: Path, tiny_home_models: Path) -> None:
    """It fails again, or, mended, is done; each arrival has its row, and only the last one counts."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "a.png", b"")
    homes.run_once(home)
    (home.failed / "a.png").rename(home.inbox / "a.png")
    homes.run_once(home)
    assert homes.paths(home.failed) == {"a.png", "a.png.reason.txt"}
    (home.failed / "a.png").write_bytes(homes.picture("blue"))
    (home.failed / "a.png").rename(home.inbox / "a.png")
    assert [row.state for row in homes.run_once(home)] == [State.SUPERSEDED, State.SUPERSEDED, State.DONE]


@pytest.mark.parametrize("name", ["é" * 125 + "a.png", "\n" * 251 + ".png", "x" * 251 + ".png"])
def test_names_of_255_bytes_come_through(tmp_path: Path, tiny_home_models: Path, name: str) -> None:
    """Good or bad, their copies, originals and reasons find names that fit."""
    assert len(name.encode()) == 255
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, name, homes.picture("red"))
    (home.inbox / "b").mkdir()
    (home.inbox / "b" / name).write_bytes(b"")
    rows = homes.run_once(home)
    assert sorted(row.state for row in rows) == [State.DONE, State.FAILED]
    assert len(homes.paths(home.outbox)) == len(homes.paths(home.done)) == 1
    failed = sorted(homes.paths(home.failed))
    assert len(failed) == 2
    assert sum(path.endswith(".reason.txt") for path in failed) == 1
    assert homes.paths(home.inbox) == set()


def test_other_file_systems_can_hold_what_comes_out(tmp_path: Path, tiny_home_models: Path) -> None:
    """Where a rename cannot reach, originals are copied whole before they go; absolute folders stay absolute."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    other = shared / f"watcher-test-{os.getpid()}"
    folders = {"outbox": str(other / "out"), "done": str(other / "done"), "failed": str(other / "failed")}
    try:
        home = homes.make(tmp_path, tiny_home_models, folders=folders)
        homes.drop(home.inbox, "s/good.png", homes.picture("red"))
        homes.drop(home.inbox, "s/bad.png", b"text")
        rows = homes.run_once(home)
        assert {row.path: row.state for row in rows} == {"s/good.png": State.DONE, "s/bad.png": State.FAILED}
        assert {row.outbox_path for row in rows} == {str(other / "out/s/good.png"), None}
        assert (other / "done/s/good.png").read_bytes() == homes.picture("red")
        assert homes.paths(other / "failed") == {"s/bad.png", "s/bad.png.reason.txt"}
        assert homes.paths(home.inbox) == set()
    finally:
        shutil.rmtree(other, ignore_errors=True)


def test_a_name_taken_in_done_is_recorded_as_it_was_given(
    tmp_path: Path, tiny_home_models: Path, start: Callable[[Home], Process]
) -> None:
    """The row says where the original is, also where an older one had its name."""
    home = homes.make(tmp_path, tiny_home_models)
    (home.done / "a.png").write_text("older")
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    process = start(home)
    published = process.finisher.publish(process.judged("a.png"))
    [row] = record(process.finisher, published)
    process.finisher.release(published, [row])
    assert row.original_path
    assert (home.root / row.original_path).read_bytes() == homes.picture("red")
    assert (home.done / "a.png").read_text() == "older"
