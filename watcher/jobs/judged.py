"""The candidate and the live version, both tried on the same held-out pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.jobs.gate import Decision, decide
from watcher.training.evaluating import evaluate
from watcher.training.held_out import HELD_OUT_GROUPS
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.jobs.gate import Gate
    from watcher.models.package import Package
    from watcher.settings import Settings
    from watcher.training.examples import Example
    from watcher.training.scored import Scored
    from watcher.training.watching import Watching


@dataclass(frozen=True, slots=True)
class Trial:
    """Who is to be compared, on which pictures, by what."""

    gate: Gate
    candidate: Package
    current: Package | None
    examples: tuple[Example, ...]
    positive: str | None


def judged(trial: Trial, settings: Settings, watching: Watching) -> Decision:
    """The gate's decision. Each model is loaded from its package and sees the pictures as the daemon would.

    Raises ModelError where the candidate cannot be used, DataError where nothing is there to judge by.
    """
    if not trial.examples:
        raise DataError(
            "no group of pictures is held out, so nothing can be compared: add pictures of other groups, group them more "
            "finely (group_by), or raise held_out under [training]"
        )
    candidate = _scores(trial.candidate, trial.examples, trial.positive, settings, watching)
    if trial.current is None:
        return decide(trial.gate, candidate, trial.candidate.id, None, None)
    current = _scores(trial.current, trial.examples, trial.positive, settings, watching)
    decision = decide(trial.gate, candidate, trial.candidate.id, current, trial.current.id)
    if _may_know(trial.current, trial.examples):
        sentence = f"{decision.sentence} (though {trial.current.id} may have learned from some of these pictures)"
        return Decision(decision.passed, sentence, decision.against)
    return decision


def _scores(
    package: Package, examples: Sequence[Example], positive: str | None, settings: Settings, watching: Watching
) -> Scored:
    inference, most = settings.inference, settings.intake.max_megapixels
    vision = Vision(package, inference.engine, inference.batch_size, most)
    progress, done = watching.stage(f"Trying {package.id} on held-out pictures"), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(examples))

    known = positive if positive in package.card.labels else None
    return evaluate(vision, examples, inference.batch_size, positive=known, done=tell).scored


def _may_know(package: Package, examples: Sequence[Example]) -> bool:
    """Whether a version may have learned from some of the examples' groups."""
    trained_on = package.card.trained_on
    unseen = set(trained_on.settings.get(HELD_OUT_GROUPS, ())) if trained_on else set()
    return any(example.group not in unseen for example in examples)
