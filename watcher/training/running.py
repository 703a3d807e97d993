"""One run of a job: its own folder, which a stopped run goes on in; the training; the new version in the registry."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import DataError
from watcher.training.examples import find_examples
from watcher.training.material import sample
from watcher.training.metrics import measure
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
    from watcher.training.metrics import Metrics
    from watcher.training.training import Candidate
    from watcher.training.watching import Watching

# Folders of runs that have not ended, beside the versions of their model.
UNFINISHED = ".training-"
LOCK = ".training.lock"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to."""

    package: Package
    metrics: Metrics


def run_job(
    registry: Registry, job: Job, source: Path, watching: Watching, now: Callable[[], datetime], *, promote: bool
) -> Trained:
    """Trains by the job on the pictures of `source` and stores the new version with its report.

    With `promote=False` it goes live only if no other version is. A run that was stopped is gone on with where the
    job and the pictures are the same; after a success nothing of such runs is kept. Raises DataError, ModelError,
    and OSError where nothing can be written.
    """
    examples = find_examples(source, job.data.group_by)
    _check(examples, job)
    if job.data.pictures:
        examples = sample(examples, job.data.pictures, job.training.seed)
    with _folder(registry.root / job.model, _identity(job, examples)) as folder:
        candidate = train(examples, job.training, job.data.positive, folder, watching)
        metrics = measure(candidate.judged)
        package = registry.install(
            job.model,
            candidate.model,
            candidate.card,
            now(),
            promote=promote,
            half=job.training.half,
            extras=lambda card: _report(folder / "report", candidate, metrics, card, source),
        )
        for left in _unfinished(registry.root / job.model):
            shutil.rmtree(left)
    return Trained(package, metrics)


def _check(examples: Sequence[Example], job: Job) -> None:
    """What cannot come to a model is refused at once, not after hours. Raises DataError, ModelError."""
    check_labels(examples)
    positive_of(sorted({example.label for example in examples}), job.data.positive)
    build(job.training, 2)
    if job.training.fine_tune.epochs and job.training.teacher.trust:
        build(job.training.of_teacher(), 2)


def _identity(job: Job, examples: Sequence[Example]) -> str:
    """Changes with the job and with any picture's name, label, group, size or time."""
    digest = hashlib.sha256(job.model_dump_json().encode())
    for example in examples:
        with contextlib.suppress(OSError):
            status = example.path.stat()
            digest.update(f"{example}{status.st_size} {status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _folder(home: Path, identity: str) -> Iterator[Path]:
    """The run's own folder, held for this process alone."""
    folder = home / f"{UNFINISHED}{identity}"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        except DataError:
            # What the pictures do not allow, a second try would not, either.
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DataError(f"{home.name} is being trained already, by another process: wait until it ends") from None
    except OSError:
        pass  # a share without locks
    try:
        yield
    finally:
        os.close(handle)


def _unfinished(home: Path) -> list[Path]:
    """What stopped runs left. None of them goes on while the model is held by this process."""
    return [path for path in home.glob(f"{UNFINISHED}*") if path.is_dir()]


def _report(folder: Path, candidate: Candidate, metrics: Metrics, card: Card, source: Path) -> dict[str, bytes]:
    trained_on = card.trained_on
    assert trained_on is not None
    held_out = trained_on.settings["held_out"]
    facts = {
        "Model": f"{card.name}/{card.version}, made from {card.base}",
        "Weights": card.weights,
        "Its file's SHA-256": card.digest,
        "Input": f"{card.input_size[0]} x {card.input_size[1]} pixels, by {card.resize}",
        "Pictures": f"{source.absolute().name}, {trained_on.pictures:,} of {trained_on.groups:,} groups",
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
    return {name: (folder / name).read_bytes() for name in (METRICS, REPORT)}
