"""What a log says of a training: how far it is, and how long it will take once that can be told."""

from __future__ import annotations

import sys

import pytest

from watcher.cli import watching
from watcher.cli.watching import Onlooker


class Clock:
    """Seconds, as the test has them pass."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


def test_the_time_left_is_counted_from_the_first_report(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever came before it: a slow start, or work that was done by an earlier run."""
    tell = Onlooker().stage("Reading")
    for seconds, done in ((600, 5000), (30, 5010), (40, 5070), (70, 5070), (100, 10000)):
        clock.now += seconds
        tell(done, 10000)
    assert capsys.readouterr().err.splitlines() == [
        "Reading …",
        "Reading: 5,000 of 10,000",
        "Reading: 5,070 of 10,000, about 82 min left",
        "Reading: 5,070 of 10,000, about 164 min left",
        "Reading: 10,000 of 10,000, in 14 min",
    ]


def test_without_progress_there_is_no_estimate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is done at once has its one line."""
    tell = Onlooker().stage("Reading")
    for _ in range(2):
        clock.now += 61
        tell(0, 10)
    Onlooker().stage("Judging")(2, 2)
    assert capsys.readouterr().err.splitlines() == [
        "Reading …",
        "Reading: 0 of 10",
        "Reading: 0 of 10",
        "Judging …",
        "Judging: 2 of 2, in 0 s",
    ]


def test_a_terminal_has_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And notes above them."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Onlooker() as onlooker:
        onlooker.stage("Reading")(3, 10)
        onlooker.note("[a] is no picture")
    shown = capsys.readouterr().err
    assert "[a] is no picture" in shown and "3/10" in shown and "Reading" in shown
