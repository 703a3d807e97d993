"""A part of the daemon that is silent for too long is dead; what may take its time is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from watcher.service.pulse import Pulses


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulses(clock: Clock) -> Pulses:
    return Pulses(clock)


@contextmanager
def thread_of(work: Callable[[], None]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join()


def test_a_part_lives_from_turn_to_turn(pulses: Pulses, clock: Clock) -> None:
    """Once it has been silent for too long, it is said what it was doing."""
    with pulses.part("loop", "scanning", 10):
        for clock.now in (9.0, 18.0, 27.0):
            pulses.beat()
        clock.now = 37
        assert pulses.dead() is None
        assert pulses.silences() == {"loop": 10}
        clock.now = 38
        assert pulses.dead() == "no sign of life from the loop for 11 seconds; the last was: scanning"
        pulses.beat()
        assert pulses.dead() is None
    clock.now = 1000
    assert pulses.dead() is None and pulses.silences() == {}


def test_what_may_take_its_time_is_waited_for(pulses: Pulses, clock: Clock) -> None:
    """The innermost says how long; when it is over, the part has its usual time again."""
    with pulses.part("loop", "scanning", 10):
        with pulses.during("loading", 100), pulses.during("trying", 50):
            clock.now = 49
            assert pulses.dead() is None and pulses.doing("loop") == "trying"
            clock.now = 51
            assert pulses.dead()
        clock.now = 60
        assert pulses.dead() is None and pulses.doing("loop") == "scanning"
        clock.now = 62
        assert pulses.dead()


def test_what_raises_is_over_too(pulses: Pulses, clock: Clock) -> None:
    """A fault that somebody else takes care of."""
    with pulses.part("loop", "scanning", 10):
        with pytest.raises(ZeroDivisionError), pulses.during("dividing", 100):
            raise ZeroDivisionError
        clock.now = 11
        assert pulses.dead()


def test_a_thread_that_ends_by_a_fault_is_dead_at_once(pulses: Pulses) -> None:
    """One that ends as it should is not missed."""

    def fail() -> None:
        with suppress(ZeroDivisionError), pulses.part("scheduler", "its turn", 10):
            raise ZeroDivisionError

    def end() -> None:
        with pulses.part("watch", "looking", 10):
            pass

    with thread_of(end), thread_of(fail):
        pass
    assert pulses.dead() == "the scheduler has ended, though nobody has told it to"


def test_others_are_not_its_parts(pulses: Pulses, clock: Clock) -> None:
    """A thread that reads pictures says nothing for the loop."""
    with pulses.part("loop", "scanning", 10):
        clock.now = 11

        def read() -> None:
            pulses.beat()
            with pulses.during("reading", 100):
                pass

        with thread_of(read):
            pass
        assert pulses.dead()
