"""SIGKILL at every system call that changes a file system, and a restart: nothing is lost, nothing doubled.

A sample of the points, chosen by WATCHER_TEST_SEED; with WATCHER_TEST_FAULTS=all, all of them.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count

import pytest
from points import Bench, Point
from scenes import NOTE, SCENES
from tracing import needs_strace
from trying import ALL, PATIENCE, SEED, Tried, chosen

pytestmark = [pytest.mark.strace, needs_strace, PATIENCE]
MOST, MOST_PAIRS, ALL_PAIRS = 12, 3, 40


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest, bench: Bench) -> str:
    if not bench.can_show(request.param):
        pytest.skip("there is no second file system here")
    return request.param


def test_a_run_can_be_killed_anywhere(bench: Bench, scene: str) -> None:
    """Each picture has one row, one copy and one original where it belongs, once the next run has ended."""
    tried = Tried()
    for point in chosen(bench.points(scene), MOST, scene):
        tried(f"SIGKILL at {point.kind}", lambda: bench.kill(scene, point))  # noqa: B023
    tried.end()


def test_the_note_of_a_picture_that_is_done_goes_with_it(bench: Bench) -> None:
    """It had failed before; also where the run is killed between the two."""
    points = [point for point in bench.points("move") if point.path.endswith((b"/done/a.png", NOTE.encode()))]
    tried = Tried()
    for point in points:
        tried(f"SIGKILL at {point.kind}", lambda: bench.kill("move", point))  # noqa: B023
    tried.end()


@pytest.mark.skipif(not ALL, reason="takes minutes: WATCHER_TEST_FAULTS=all")
def test_a_run_survives_where_there_is_no_call_left(bench: Bench, scene: str) -> None:
    """For each call and each file the numbers go on until a run comes to its end: none was overlooked."""
    last: dict[Point, int] = {}
    for point in bench.points(scene):
        last[replace(point, number=0)] = max(point.number, last.get(replace(point, number=0), 0))
    tried = Tried()
    for point, number in last.items():
        for further in count(number + 1):
            beyond = replace(point, number=further)
            verdict = bench.kill(scene, beyond)
            assert not verdict.wrong, verdict.story
            if not verdict.met:
                break
            tried(f"SIGKILL at {point.kind}", lambda: verdict)  # noqa: B023
    tried.end()


def test_the_next_run_can_be_killed_too(bench: Bench, scene: str) -> None:
    """Pairs of points: the second is met by the run that mends what the first has left."""
    points = bench.points(scene)
    dice = random.Random(f"{SEED} pairs {scene}")
    tried = Tried(fewest_met=0)
    for _ in range(ALL_PAIRS if ALL else MOST_PAIRS):
        first, second = dice.sample(points, 2)
        tried("SIGKILL, and SIGKILL again in the next run", lambda: bench.kill(scene, first, second))  # noqa: B023
    tried.end()
