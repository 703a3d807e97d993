"""The age of the oldest picture that waits is by our own clock, and never too small."""

from __future__ import annotations

import pytest

from watcher.intake.arrivals import Fingerprint
from watcher.service.first_sights import FirstSights


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def look(sights: FirstSights, *inodes: int, mtime: int = 0) -> float:
    sights.begin()
    for inode in inodes:
        sights.saw(Fingerprint(1, inode, 10, mtime))
    sights.end()
    return sights.oldest()


def test_the_oldest_is_the_one_that_was_seen_first(clock: Clock) -> None:
    """What is written to meanwhile waits all the same; what has come through waits no more."""
    sights = FirstSights(clock)
    assert look(sights) == 0
    assert look(sights, 1) == 0
    clock.now = 10
    assert look(sights, 2, 1, mtime=99) == 10
    clock.now = 15
    assert look(sights, 2) == 5
    assert look(sights) == 0


def test_it_grows_while_nobody_can_look(clock: Clock) -> None:
    """As when the inbox is away; a look that was broken off says nothing."""
    sights = FirstSights(clock)
    look(sights, 1)
    clock.now = 30
    sights.begin()
    assert sights.oldest() == 30


def test_a_backlog_without_room_is_as_old_as_its_beginning(clock: Clock) -> None:
    """Whatever of it is left over at last; what comes after it is young again."""
    sights = FirstSights(clock, room=2)
    clock.now = 5
    look(sights, 1, 2, 3, 4)
    clock.now = 25
    assert look(sights, 3, 4) == 20
    assert look(sights, 4, 5) == 20
    assert look(sights, 5) == 0


def test_one_that_is_seen_twice_in_a_look_is_one(clock: Clock) -> None:
    """As when it is claimed between the two."""
    sights = FirstSights(clock, room=1)
    look(sights, 1, 1)
    clock.now = 10
    assert look(sights, 2) == 0
