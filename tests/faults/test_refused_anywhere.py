"""An error at every system call: the run goes on by itself or says why it ended, and nothing is lost or doubled.

A sample of the points, chosen by WATCHER_TEST_SEED; with WATCHER_TEST_FAULTS=all, all of them.
"""

from __future__ import annotations

import re

import pytest
from points import Bench, Point
from scenes import SCENES
from tracing import needs_strace
from trying import FEWEST_MET, PATIENCE, Tried, chosen

pytestmark = [pytest.mark.strace, needs_strace, PATIENCE]
MOST, MOST_QUESTIONS = 4, 4
# Points at which something did go wrong: the error, the call, about what, and whether it only looks.
ONCE_WRONG = {
    "SQLite opened for reading what it could not write once, and was left so": (
        "EIO",
        "openat",
        rb"/watcher\.db$",
        False,
    ),
    "SQLite's index of its log was opened for reading, and each failed try kept it open for the next": (
        "EIO",
        "openat",
        rb"/watcher\.db-shm$",
        False,
    ),
    "an attempt that could not be counted was called the picture's fault": (
        "EACCES",
        "rename",
        rb"\.0\.a\.png$",
        False,
    ),
    "a claim that could not be looked at was forgotten": ("EINTR", "newfstatat", rb"\.0\.a\.png$", True),
    "an original that could not be looked at was taken for gone": ("EACCES", "newfstatat", rb"\.1\.a\.png$", True),
    "an error without a file's name ended the run": ("EIO", "getdents64", rb"/home/inbox$", True),
}


def tried_on(
    bench: Bench, scene: str, error: str, points: list[Point], where: str, fewest_met: float = FEWEST_MET
) -> None:
    """Gives the run an error at each of these points, unless the scene cannot be shown here."""
    if not bench.can_show(scene):
        pytest.skip("there is no second file system here")
    tried = Tried(fewest_met)
    for point in points:
        tried(f"{error} at a call that {where}", lambda: bench.fail(scene, point, error))  # noqa: B023
    tried.end()


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EACCES", "EINTR"])
@pytest.mark.parametrize("scene", SCENES)
def test_any_change_can_be_refused_once(bench: Bench, scene: str, error: str) -> None:
    """By a disk that is full or broken, by rights, or by a signal."""
    points = chosen(bench.points(scene), MOST, scene, error)
    tried_on(bench, scene, error, points, "changes files")


@pytest.mark.parametrize("error", ["EIO", "EACCES", "EINTR"])
@pytest.mark.parametrize("scene", ["move", "keep"])
def test_any_question_can_be_refused_once(bench: Bench, scene: str, error: str) -> None:
    """A picture that may not be read has failed, with a note; any other refusal is none of its faults."""
    points = chosen(bench.points(scene, asking=True), MOST_QUESTIONS, scene, error)
    tried_on(bench, scene, error, points, "only looks", fewest_met=0.25)  # how often it looks is never the same


@pytest.mark.parametrize("what", ONCE_WRONG)
def test_what_once_went_wrong_does_not_again(bench: Bench, what: str) -> None:
    """Whatever points the sample has."""
    error, call, about, asking = ONCE_WRONG[what]
    points = [
        point for point in bench.points("move", asking=asking) if point.call == call and re.search(about, point.path)
    ]
    assert points
    tried_on(bench, "move", error, points[:6], "only looks" if asking else "changes files")
