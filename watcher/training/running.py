"""One run of a job: its folder, the training, the new version in the registry."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError
from watcher.intake.names import clean
from watcher.models import trial_pictures
from watcher.training import unfinished
from watcher.training.examples import find_examples
from watcher.training.held_out import HELD_OUT_GROUPS
from watcher.training.material import sample
from watcher.training.metrics import Metrics, measure
from watcher.training.network import build
from watcher.training.report import METRICS, REPORT, write_report
from watcher.training.split import check_labels
from watcher.training.training import positive_of, train

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.models.package import Card, Package
    from watcher.models.registry import Registry
    from watcher.training.examples import Example
    from watcher.training.job import Job
    from watcher.training.training import Candidate
    from watcher.training.watching import Watching


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to."""

    package: Package
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Pictures:
    """Examples and where they were found; `judges`: the groups to be held out, where that is settled beforehand."""

    examples: tuple[Example, ...]
    sources: tuple[Path, ...]
    judges: frozenset[str] | None = None


def find_pictures(job: Job, sources: Sequence[Path]) -> Pictures:
    """The examples of all sources, or as many of them as the job wants. Raises DataError as `find_examples` does."""
    examples = tuple(example for source in sources for example in find_examples(source, job.data.group_by))
    if job.data.pictures:
        examples = sample(examples, job.data.pictures, job.training.seed)
    return Pictures(examples, tuple(sources))


def run_job(
    registry: Registry,
    job: Job,
    pictures: Pictures,
    watching: Watching,
    now: Callable[[], datetime],
    *,
    promote: bool,
    first: bool = True,
    stored: Callable[[Trained], None] = lambda _: None,
) -> Trained:
    """Trains by the job on the pictures and stores the new version with its report.

    `promote` and `first`: see `Registry.install`. `stored` is told before what a stopped run would go on with is
    removed. A run that was stopped is gone on with where the job and the pictures are the same; after a success nothing
    of it is kept. Raises DataError, ModelError, and OSError where nothing can be written.
    """
    _check(pictures.examples, job)
    with unfinished.own(registry.root / job.model, unfinished.identity(job, pictures)) as run:
        unfinished.tell_of_others(run, watching.note, now())
        trained = _ended(registry, job.model, run.name)
        if trained and (promote or (first and not registry.has(job.model))):
            registry.promote(job.model, trained.package.card.version, now())
        if not trained:
            data = job.data.positive, run.folder, watching, pictures.judges
            candidate = train(pictures.examples, job.training, *data)
            metrics = measure(candidate.judged)
            package = registry.install(
                job.model,
                candidate.model,
                _with_origin(candidate.card, job, pictures, run.name),
                now(),
                promote=promote,
                first=first,
                half=job.training.half,
                extras=lambda card: _report(run.folder / "report", candidate, metrics, card, pictures),
            )
            trained = Trained(package, metrics)
        stored(trained)
        run.remove()
    return trained


def _ended(registry: Registry, model: str, run: str) -> Trained | None:
    """What the run came to, if it was cut short only after its version was stored."""
    for version in reversed(registry.versions(model)):
        try:
            package = registry.read(model, version)
            if package.card.trained_on is None or package.card.trained_on.settings.get("run") != run:
                continue
            metrics = Metrics.model_validate_json((package.folder / METRICS).read_bytes())
        except (ModelError, OSError, ValueError):
            continue  # damaged since: it is trained again
        return Trained(package, metrics)
    return None


def _with_origin(card: dict[str, Any], job: Job, pictures: Pictures, run: str) -> dict[str, Any]:
    """The card with what else is needed to make the model again: which pictures of which source, how grouped."""
    trained_on = card["trained_on"]
    data = job.data.model_dump(mode="json") | {"source": _names(pictures)}
    settings = trained_on.settings | {"data": data, "run": run}
    return card | {"trained_on": trained_on.model_copy(update={"settings": settings})}


def _names(pictures: Pictures) -> str:
    """A card travels: of folders here it keeps the names."""
    return ", ".join(clean(os.path.basename(os.path.abspath(source))) for source in pictures.sources)


def _check(examples: Sequence[Example], job: Job) -> None:
    """What cannot come to a model is refused at once, not after hours. Raises DataError, ModelError."""
    check_labels(examples)
    positive_of(sorted({example.label for example in examples}), job.data.positive)
    build(job.training, 2)
    if job.training.fine_tune.epochs and job.training.teacher.trust:
        build(job.training.of_teacher(), 2)


def _report(folder: Path, candidate: Candidate, metrics: Metrics, card: Card, pictures: Pictures) -> dict[str, bytes]:
    trained_on = card.trained_on
    assert trained_on is not None
    held_out = trained_on.settings[HELD_OUT_GROUPS]
    facts = {
        "Model": f"{card.name}/{card.version}, made from {card.base}",
        "Weights": card.weights,
        "Its file's SHA-256": card.digest,
        "Input": f"{card.input_size[0]} x {card.input_size[1]} pixels, by {card.resize}",
        "Pictures": f"{_names(pictures)}, {trained_on.pictures:,} of {trained_on.groups:,} groups",
        "Their SHA-256": trained_on.data_digest,
        "Judged by": f"{metrics.pictures:,} of them, of groups that "
        + (
            "nothing was learned from and nothing chosen by"
            if held_out
            else "settings were chosen by, but not learned from"
        ),
        "Temperature": f"{card.temperature:.3f}",
        "Review below": f"{card.review_threshold:.3f}",
        "Seed": str(trained_on.seed),
        "Libraries": ", ".join(f"{name} {version}" for name, version in card.libraries.items()),
        "Trained at": card.created_at.isoformat(timespec="seconds"),
    }
    write_report(
        folder,
        candidate.judged,
        metrics,
        title=f"How good is {card.name}, version {card.version}?",
        facts=facts,
        history=candidate.history,
        notes=candidate.notes,
    )
    return {name: (folder / name).read_bytes() for name in (METRICS, REPORT)} | {
        trial_pictures.FILE: trial_pictures.pack(candidate.trial_pictures)
    }
