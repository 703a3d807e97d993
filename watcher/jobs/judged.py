"""The candidate and the live version, both tried on the same held-out pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import DataError
from watcher.jobs.gate import Decision, decide
from watcher.training.evaluating import evaluate
from watcher.training.held_out import held_out_groups
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watcher.jobs.gate import Gate
    from watcher.models.package import Package
    from watcher.settings import Settings
    from watcher.training.evaluating import Evaluation
    from watcher.training.examples import Example
    from watcher.training.scored import Scored
    from watcher.training.watching import Watching

# Groups that are enough to compare two versions on.
ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """Who is to be compared, on which pictures, by what; the candidate has learned from none of them."""

    gate: Gate
    candidate: Package
    current: Package | None
    examples: tuple[Example, ...]
    positive: str | None


def judged(trial: Trial, settings: Settings, watching: Watching) -> Decision:
    """The gate's decision. Each model is loaded from its package and sees the pictures as the daemon would.

    Raises ModelError where a model cannot be used, DataError where nothing is there to judge by.
    """
    if not trial.examples:
        raise DataError(
            "no group of pictures is held out, so nothing can be compared: add pictures of other groups, group them more "
            "finely (group_by), or raise held_out under [training]"
        )
    if trial.current is None:
        found = _scores(trial.candidate, trial.examples, trial.positive, settings, watching)
        return decide(trial.gate, found.scored, trial.candidate.id, None, None)
    examples, fair = _fair(trial.examples, trial.current)
    candidate = _scores(trial.candidate, examples, trial.positive, settings, watching)
    try:
        current = _scores(trial.current, examples, trial.positive, settings, watching)
    except DataError as fault:  # as where it knows none of the labels
        against = f"it cannot be compared with {trial.current.id}: {fault}"
        return Decision(False, f"kept {trial.current.id}: candidate {trial.candidate.id} {against[3:]}", (against,))
    both = _both(candidate, current)
    decision = decide(trial.gate, both[0], trial.candidate.id, both[1], trial.current.id)
    if fair:
        return decision
    sentence = f"{decision.sentence} (though {trial.current.id} may have learned from some of these pictures)"
    return Decision(decision.passed, sentence, decision.against)


def _fair(examples: Sequence[Example], current: Package) -> tuple[tuple[Example, ...], bool]:
    """Those that the live version has not learned from, either, where they are enough; else all. And whether it is so."""
    unseen = held_out_groups(current.card)
    fair = tuple(example for example in examples if example.group in unseen)
    labels = {example.label for example in examples}
    if len({example.group for example in fair}) >= ENOUGH and {example.label for example in fair} == labels:
        return fair, True
    return tuple(examples), len(fair) == len(examples)


def _scores(
    package: Package, examples: Sequence[Example], positive: str | None, settings: Settings, watching: Watching
) -> Evaluation:
    inference, most = settings.inference, settings.intake.max_megapixels
    vision = Vision(package, inference.engine, inference.batch_size, most)
    progress, done = watching.stage(f"Trying {package.id} on held-out pictures"), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(examples))

    labels = package.card.labels
    known = positive if len(labels) == 2 and positive in labels else None
    return evaluate(vision, examples, inference.batch_size, positive=known, done=tell)


def _both(candidate: Evaluation, current: Evaluation) -> tuple[Scored, Scored]:
    """Without the pictures that one of the two could not read, as when a share was away for a moment."""
    gone = {missed.path for evaluation in (candidate, current) for missed in evaluation.unreadable}
    return _without(candidate.scored, gone), _without(current.scored, gone)


def _without(scored: Scored, gone: set[Path]) -> Scored:
    kept = [place for place, path in enumerate(scored.paths) if path not in gone]
    if not kept:
        raise DataError("no held-out picture can be read by both models")
    return scored.part(np.array(kept, np.int64)) if gone else scored
