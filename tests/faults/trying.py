"""Which of the many points are tried, and what is counted of them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import zip_longest

import pytest
from ledger import tally
from points import Point, Verdict

ALL = os.environ.get("WATCHER_TEST_FAULTS") == "all"
PATIENCE = pytest.mark.timeout(3600 if ALL else 300)
SEED = int(os.environ.get("WATCHER_TEST_SEED", "0"))
# Threads take turns as they like, so a run does not come to every point that another came to.
TRIES = 3
FEWEST_MET = 0.9 if ALL else 0.5


def chosen(points: list[Point], most: int, *about: str) -> list[Point]:
    """All points or, in the ordinary suite, so many of them: of every kind of call in turn, by the seed."""
    if ALL:
        return points
    mixed = random.Random(f"{SEED} {about}").sample(points, len(points))
    kinds: dict[str, list[Point]] = {}
    for point in mixed:
        kinds.setdefault(point.kind, []).append(point)
    return [point for turn in zip_longest(*kinds.values()) for point in turn if point][:most]


class Tried:
    """Counts what became of the pictures, by fault."""

    def __init__(self, fewest_met: float = FEWEST_MET) -> None:
        self._fewest_met = fewest_met
        self._counts: dict[str, dict[str, int]] = {}
        self._stories: list[str] = []
        self._asked = self._met = 0

    def __call__(self, fault: str, attempt: Callable[[], Verdict]) -> bool:
        """Tries until the fault is met; whether it was."""
        self._asked += 1
        for _ in range(TRIES):
            verdict = attempt()
            if verdict.met or verdict.wrong:
                break
        if verdict.met:
            self._met += 1
            count = self._counts.setdefault(fault, {"tried": 0, "lost": 0, "doubled": 0})
            count["tried"] += 1
            for kind in ("lost", "doubled"):
                count[kind] += sum(wrong.kind == kind for wrong in verdict.wrong)
        if verdict.wrong:
            self._stories.append(verdict.story)
        return verdict.met

    def end(self) -> None:
        """Tells the ledger. Raises AssertionError with the story of what went wrong."""
        for fault, count in self._counts.items():
            tally(fault, **count)
        assert not self._stories, f"{len(self._stories)} of {self._asked}\n" + "\n\n".join(self._stories[:5])
        assert self._met >= self._fewest_met * self._asked, f"only {self._met} of {self._asked} points were met"
