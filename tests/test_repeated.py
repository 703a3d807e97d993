"""A fault that comes a thousand times makes a few lines."""

from __future__ import annotations

from typing import Any

import pytest

from watcher import repeated
from watcher.repeated import MOST, Repeated, spoken


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Log(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, **facts: Any) -> None:
        self.append((event, facts))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


def test_it_is_said_once_then_at_growing_pauses_with_its_count(clock: Clock, log: Log) -> None:
    """At 0, 1, 3, 7, 15, … minutes, and from then on every hour: no time of it is lost."""
    lines = Repeated(clock)
    for second in range(16 * 60):
        clock.now = second
        lines.say("full", log, "the disk is full")
    assert [facts.get("times", 1) for _, facts in log] == [1, 60, 120, 240, 480]
    clock.now = 1e6
    lines.say("full", log, "the disk is full")
    clock.now += repeated.LONGEST_PAUSE_SECONDS
    lines.say("full", log, "the disk is full")
    assert len(log) == 7


def test_its_end_says_how_long_and_how_often(clock: Clock, log: Log) -> None:
    """Once; and nothing where there was no fault."""
    lines = Repeated(clock)
    lines.over({"full"}, log, "over")
    for clock.now in range(0, 180, 4):
        lines.say("full", log, "the disk is full")
    clock.now = 180
    log.clear()
    lines.over({"full"}, log, "over", what="writing")
    lines.over({"full"}, log, "over")
    assert log == [("over", {"what": "writing", "after": "3 min", "times": 45})]


def test_a_fault_that_comes_and_goes_is_no_flood(clock: Clock, log: Log) -> None:
    """Neither are its ends; after a long peace it is news again."""
    lines = Repeated(clock)
    for clock.now in range(600):
        lines.say("busy", log, "busy")
        lines.over({"busy"}, log, "over")
    assert len(log) == 2 * 4
    log.clear()
    clock.now += 10_000
    lines.say("busy", log, "busy")
    assert log == [("busy", {})]


def test_different_faults_are_each_said(clock: Clock, log: Log) -> None:
    """Up to a number; beyond it they count as one."""
    lines = Repeated(clock)
    for number in range(10 * MOST):
        lines.say(number, log, "closed")
    assert len(log) == MOST + 1


@pytest.mark.parametrize(("seconds", "words"), [(3.2, "3 s"), (180, "3 min"), (7200, "2 h")])
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """Not to the second after minutes."""
    assert spoken(seconds) == words
