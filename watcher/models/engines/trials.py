"""Which engine is the fastest here of those that say what the exact one says."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import structlog

from watcher.models.engines import kept
from watcher.models.engines.kept import Choice, Trial
from watcher.models.engines.opening import QUANTISED, candidates, exact, open_engine
from watcher.models.package import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from watcher.models.engines.engine import Engine
    from watcher.models.package import Package
    from watcher.settings import EngineName

log = structlog.get_logger()

# What an engine must reach beside the exact one: the same best label on so many of the pictures of which the model is
# sure, and no score further off than TOLERANCE. Where the second best score is within a tenth of the best, rounding
# decides in every engine, the exact one among them.
AGREEMENT, SURE, TOLERANCE = 0.995, 0.9, 0.05
# Of fewer pictures than this, 99.5 % says nothing.
FEWEST = 100
ROUNDS = 3
# How much faster than the exact engine another must be to be worth its deviations.
WORTH = 1.05
ENDED = "it ended the process when it was tried"


def choose(
    package: Package,
    pictures: Callable[[], NDArray[np.uint8]],
    batch_size: int,
    now: datetime,
    *,
    again: bool = False,
    given_up: Callable[[], bool] = lambda: False,
) -> Choice:
    """Tries every engine that may be worth it on pictures, uint8 [n, height, width, 3], and keeps the choice.

    The pictures are asked for only if there is anything to try. An engine that ended the process when it was tried is not tried again, unless `again`. Once `given_up` says so, or
    where nothing can be kept and every start would take minutes, the choice is the exact engine. Raises ModelError if
    the package is damaged.
    """
    names = candidates(package)
    if not again:  # a daemon's pictures do not wait for what takes minutes to make
        names = tuple(name for name in names if name != QUANTISED)
    before = None if again else kept.read(package, batch_size)
    ended = [trial for trial in before.trials if trial.refusal == ENDED] if before else []
    begun = Choice(exact(), tuple(ended), now.isoformat(timespec="seconds"), whole=False)
    if not names or not kept.keep(package, batch_size, begun):
        return begun
    log.info("trying the engines, once on this machine", model=package.id, engines=[exact(), *names])
    trials = _Trials(package, pictures(), batch_size, begun)
    choice = trials.all(names, given_up)
    kept.keep(package, batch_size, choice)
    for trial in choice.trials:
        said = {name: value for name, value in asdict(trial).items() if value is not None}
        log.info("an engine was tried", model=package.id, **said)
    return choice


class _Trials:
    """All engines are open at a time, so that they take turns and what else the machine does slows all alike."""

    def __init__(self, package: Package, pictures: NDArray[np.uint8], batch_size: int, begun: Choice) -> None:
        self._package = package
        self._pictures = pictures
        self._batch_size = batch_size
        self._begun = begun
        self._trials = {trial.engine: trial for trial in begun.trials}
        self._engines: dict[EngineName, Engine] = {}

    def all(self, names: Sequence[EngineName], given_up: Callable[[], bool]) -> Choice:
        reference = self._engines[exact()] = open_engine(self._package, exact())
        expected = _scores(reference, self._pictures, self._batch_size)
        self._trials[exact()] = Trial(exact(), 0.0, 1.0, 0.0)
        for name in names:
            if given_up():
                return self._so_far()
            if name not in self._trials:
                self._try(name, expected)
        return self._chosen()

    def _try(self, name: EngineName, expected: NDArray[np.float32]) -> None:
        self._trials[name] = Trial(name, 0.0, 0.0, 0.0, ENDED)
        kept.keep(self._package, self._batch_size, self._so_far())  # what the next process reads if this one ends now
        try:
            engine = open_engine(self._package, name)
            self._trials[name] = _compared(name, expected, _scores(engine, self._pictures, self._batch_size))
            self._engines[name] = engine
        except Exception as fault:  # noqa: BLE001  (each library raises whatever it lacks)
            self._trials[name] = Trial(name, 0.0, 0.0, 0.0, f"it cannot be run here: {first_line(fault)}")

    def _so_far(self) -> Choice:
        return replace(self._begun, trials=tuple(self._trials.values()))

    def _chosen(self) -> Choice:
        rates = _rates(self._engines, self._pictures, self._batch_size)
        trials = tuple(replace(trial, rate=rates.get(name, 0.0)) for name, trial in self._trials.items())
        fastest = max((trial for trial in trials if trial.refusal is None), key=lambda trial: trial.rate)
        enough = fastest.rate >= WORTH * rates[exact()]
        return replace(self._begun, engine=fastest.engine if enough else exact(), trials=trials, whole=True)


def _scores(engine: Engine, pictures: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
    """In batches of one size, the last filled up."""
    found = []
    for start in range(0, len(pictures), batch_size):
        batch = pictures[start : start + batch_size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
        found.append(engine.predict(filled)[: len(batch)])
    return np.concatenate(found)


def _compared(name: EngineName, expected: NDArray[np.float32], scores: NDArray[np.float32]) -> Trial:
    best = np.sort(expected, axis=1)
    sure = best[:, -2] < SURE * best[:, -1]
    deviation = float(np.abs(scores - expected).max())
    same = scores.argmax(axis=1) == expected.argmax(axis=1)
    agreement = float(same[sure].mean()) if sure.any() else 0.0
    refusal = None
    if not np.isfinite(scores).all():
        refusal, deviation = "it gives no numbers", 1.0
    elif sure.sum() < FEWEST:
        refusal = f"the model is sure of {sure.sum()} of the trial pictures: {FEWEST} or more are needed to check it by"
    elif agreement < AGREEMENT:
        refusal = f"it gives another label to {1 - agreement:.1%} of the pictures"
    elif deviation > TOLERANCE:
        refusal = f"a score is off by {deviation:.3f}"
    return Trial(name, 0.0, agreement, deviation, refusal)


def _rates(engines: dict[EngineName, Engine], pictures: NDArray[np.uint8], batch_size: int) -> dict[EngineName, float]:
    batch = np.resize(pictures, (batch_size, *pictures.shape[1:]))
    seconds: dict[EngineName, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            begun = time.perf_counter()
            engine.predict(batch)
            seconds[name].append(time.perf_counter() - begun)
    return {name: round(batch_size / statistics.median(times), 1) for name, times in seconds.items()}
