"""How sure a figure is: groups of pictures are drawn again and again, and the figure worked out for each draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

CERTAINTY = 0.95
ENOUGH = 0.95  # of the draws must define a figure
SAME = 1e-9  # what rounding may add


def draws(groups: NDArray[np.int64], rounds: int, seed: int) -> Iterator[Numbers]:
    """The weights [n] of the pictures in each draw; `groups` [n] are numbers from 0 without a gap.

    Pictures of one slide or patient resemble each other, so not pictures but whole groups are drawn, with
    replacement and as many as there are (Davison & Hinkley 1997, Bootstrap Methods, 3.8).
    """
    count = int(groups.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(rounds):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        yield times.astype(np.float64)[groups]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Over the draws, the ends of every figure's 95 % interval and its median; NaN where there is no telling."""

    low: Numbers
    middle: Numbers
    high: Numbers

    def alike(self) -> NDArray[np.int64]:
        """The places of the figures on which the draws agree, as where there is no mistake: they tell no width."""
        return np.flatnonzero(self.high - self.low < SAME)  # a NaN is not less


def spread(row: Callable[[Numbers], Numbers], groups: NDArray[np.int64], rounds: int, seed: int) -> Spread | None:
    """The percentile interval of every figure of `row(weights)`; None for fewer than two groups or rounds.

    A draw that cannot tell a figure, for want of a class, is left out for that figure. If more than one draw
    in twenty is, there is no interval: fewer than about three groups hold that class, too few to judge by.
    """
    if groups.max() == 0 or rounds < 2:
        return None
    drawn = np.stack([row(weights) for weights in draws(groups, rounds, seed)])
    ends = ((1 - CERTAINTY) / 2, 0.5, (1 + CERTAINTY) / 2)
    found = np.full((len(ends), drawn.shape[1]), np.nan)
    told = np.count_nonzero(~np.isnan(drawn), axis=0)
    always, often = told == rounds, (told < rounds) & (told >= ENOUGH * rounds)
    found[:, always] = np.quantile(drawn[:, always], ends, axis=0)
    if often.any():
        found[:, often] = np.nanquantile(drawn[:, often], ends, axis=0)
    return Spread(*found)
