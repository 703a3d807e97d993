"""What takes too long is noticed, though nothing can interrupt it."""

from __future__ import annotations

import subprocess
import sys
import threading

import homes
from structlog.testing import capture_logs

from watcher.service.patience import Patience
from watcher.service.watch import Watch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_block_that_takes_too_long_is_told_once() -> None:
    """Not before it is due, and not again."""
    clock, told = Clock(), []
    watch = Watch(clock)
    with watch.over(10, lambda: told.append("late")):
        clock.now = 9.9
        watch.look()
        assert told == []
        clock.now = 10
        watch.look()
        watch.look()
    assert told == ["late"]


def test_a_block_that_has_ended_is_not_told_of() -> None:
    """Nor one that ended by a fault; others go on being timed."""
    clock, told = Clock(), []
    watch = Watch(clock)
    with watch.over(20, lambda: told.append("outer")):
        try:
            with watch.over(10, lambda: told.append("inner")):
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        clock.now = 15
        watch.look()
        assert told == []
        clock.now = 25
        watch.look()
    assert told == ["outer"]


def test_whoever_is_told_may_time_something_itself() -> None:
    """The watch holds no lock while it tells."""
    clock, told = Clock(), []
    watch = Watch(clock)

    def late() -> None:
        with watch.over(1, lambda: None):
            told.append("late")

    with watch.over(1, late):
        clock.now = 2
        watch.look()
    assert told == ["late"]


def test_what_may_take_its_time_is_not_counted() -> None:
    """What other threads do is; after it, each block has what it had left."""
    clock, told = Clock(), []
    watch = Watch(clock)
    elsewhere = watch.over(10, lambda: told.append("elsewhere"))
    thread = threading.Thread(target=elsewhere.__enter__)
    thread.start()
    thread.join()
    with watch.over(10, lambda: told.append("here")):
        clock.now = 4
        with watch.paused():
            clock.now = 100
            watch.look()
            assert told == ["elsewhere"]
        clock.now = 105
        watch.look()
        assert told == ["elsewhere"]
        clock.now = 106
        watch.look()
        assert told == ["elsewhere", "here"]


def test_a_share_that_hangs_is_a_trouble_until_it_answers() -> None:
    """Though the step that waits for it neither fails nor ends."""
    stop, answer = threading.Event(), threading.Event()
    told: list[tuple[str, bool]] = []
    watch = Watch()
    patiently = Patience(stop, lambda what, reason: told.append((what, reason is not None)), watch)
    looking = threading.Thread(target=watch.keep_looking, args=(stop,))
    looking.start()
    try:
        with capture_logs() as logs:
            step = threading.Thread(
                target=patiently, args=(lambda: answer.wait(homes.PATIENCE_SECONDS), "reading the inbox", 0.1)
            )
            step.start()
            homes.wait_for(lambda: told, "it is told of")
            assert told == [("reading the inbox", True)]
            answer.set()
            step.join()
    finally:
        stop.set()
        looking.join()
    assert told == [("reading the inbox", True), ("reading the inbox", False)]
    assert [line["log_level"] for line in logs] == ["error", "info"]
    assert "no answer for 0 seconds" in logs[0]["reason"]


HANG = """
import ctypes, sys, threading
from watcher.service import watch
watch.LAST_RESORT_SECONDS, watch.LOOK_SECONDS = 0.4, 0.1
clock = watch.Watch()
stop = threading.Event()
threading.Thread(target=clock.keep_looking, args=(stop,), daemon=True).start()
with clock.over(0.2, lambda: print("told", flush=True), or_end=True):
    {inside}
{after}
print("came through", flush=True)
stop.set()
"""
HOLD = "ctypes.PyDLL(None).usleep({})"  # without giving back the interpreter's lock


def hanging(inside: str, after: str = "pass") -> subprocess.CompletedProcess[str]:
    script = HANG.format(inside=inside, after=after)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_what_lets_nobody_look_ends_the_process() -> None:
    """With the exit code 1, and a traceback that says where it was."""
    ended = hanging(HOLD.format(30_000_000))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "most recent call first" in ended.stderr and "line 9" in ended.stderr


def test_what_lets_others_look_is_only_told() -> None:
    """Whoever is told has to see to it; the last resort does not come before them."""
    ended = hanging("threading.Event().wait(2)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "told\ncame through\n", "")


def test_what_is_over_ends_nothing() -> None:
    """A call that keeps the interpreter's lock for long while no picture is in work is nobody's fault."""
    ended = hanging("pass", "stop.wait(0.7); " + HOLD.format(1_500_000))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "came through\n", "")
