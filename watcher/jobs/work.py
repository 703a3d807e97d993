"""One run of a job from begin to end: train, judge, promote; each step is in the book before the next."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher import locks
from watcher.errors import DataError, JobError, ModelMissing
from watcher.jobs.corrections import corrected
from watcher.jobs.held_out import held_out_before, judges_of
from watcher.jobs.judged import Trial, judged
from watcher.jobs.orders import undisturbed
from watcher.results.runs import Run, RunState
from watcher.training import unfinished
from watcher.training.held_out import held_out_groups
from watcher.training.report import REPORT
from watcher.training.running import Pictures, find_pictures, run_job
from watcher.training.wording import NAMES

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.jobs.gate import Decision
    from watcher.models.package import Package
    from watcher.models.registry import Registry
    from watcher.results.runbook import RunBook
    from watcher.training.running import Trained
    from watcher.training.watching import Watching


@dataclass(frozen=True, slots=True)
class Bid:
    """What a person may ask of a run besides what the job says."""

    dry: bool = False
    """Decide, but leave live what is live."""
    force: str | None = None
    """Promote whatever the gate says, for this reason."""


class Work:
    """Carries out runs of a home's jobs."""

    def __init__(
        self, home: Home, registry: Registry, book: RunBook, watching: Watching, now: Callable[[], datetime]
    ) -> None:
        self._home = home
        self._registry = registry
        self._book = book
        self._watching = watching
        self._now = now

    @contextmanager
    def alone(self, run: Run) -> Iterator[None]:
        """Holds the job's lock: from before the run is noted as running until after it is noted as ended.

        Raises JobRunning where another process holds it.
        """
        self._home.job_logs.mkdir(0o755, parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.held(self._home.job_lock(run.job), self._now()))
            except locks.Locked as locked:
                raise JobRunning(f"the job {run.job} runs already, in {locked.who}") from None
            yield

    def perform(self, run: Run, job: JobFile, log: Path | None, bid: Bid = Bid()) -> Run:
        """Does the run, or goes on with it, and notes how it came to a decision; to be called `alone`.

        Raises EndedMeanwhile where the run was ended meanwhile; what training and judging raise, with the run still
        noted as running: whoever called knows whether it is to be tried again.
        """
        run = self._begin(run, job, log)
        pictures = self._pictures(job)
        if run.candidate is not None:  # an earlier try has come so far
            candidate = self._registry.read(job.model, run.candidate)
            self._settle(run, job, candidate, pictures, bid)
            if candidate.card.trained_on is not None:
                unfinished.forget(self._registry.root / job.model, candidate.card.trained_on.settings["run"])
            return self._again(run)

        def stored(trained: Trained) -> None:
            # What the training would go on with is there until all is decided: it is not trained twice.
            package = trained.package
            figures = {name: getattr(trained.metrics, name).model_dump() for name in NAMES}
            changes = {"candidate": package.card.version, "metrics": json.dumps(figures)}
            changes["report_path"] = self._home.relative(package.folder / REPORT)
            self._book.change(run.id, {RunState.RUNNING}, **changes)
            self._settle(run, job, package, pictures, bid)

        watching = self._watching
        run_job(self._registry, job, pictures, watching, self._now, promote=False, first=False, stored=stored)
        return self._again(run)

    def _begin(self, run: Run, job: JobFile, log: Path | None) -> Run:
        live = _version(_live(self._registry, job.model))
        changes: dict[str, Any] = {
            "state": RunState.RUNNING,
            "started_at": run.started_at or self._now(),
            "not_before": None,
            "tries": run.tries + 1,
            "settings": run.settings or job.model_dump_json(),
            "version_before": live if run.started_at is None else run.version_before,
            "log_path": self._home.relative(log) if log else None,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        if not self._book.change(run.id, {RunState.QUEUED}, **changes):
            raise EndedMeanwhile(run.id)
        return self._again(run)

    def _again(self, run: Run) -> Run:
        found = self._book.get(run.id)
        assert found is not None
        return found

    def _pictures(self, job: JobFile) -> Pictures:
        if not job.data.source:
            raise DataError('the job does not say where its pictures are: set source = "FOLDER" under [data]')
        found = find_pictures(job, [*map(self._home.root.joinpath, job.data.source)])
        examples = found.examples
        if job.data.corrections:
            data = job.data.group_by, self._book.database, self._watching
            examples = corrected(examples, self._home, job.model, *data)
        before = held_out_before(self._registry, job.model)
        return Pictures(examples, found.sources, judges_of(examples, job.training.held_out, before))

    def _decision(
        self, run: Run, job: JobFile, candidate: Package, pictures: Pictures
    ) -> tuple[Decision, Package | None]:
        """The gate's, and the version that the candidate was compared with.

        Where an earlier try had promoted the candidate before it could say so, that is what was live before the run.
        """
        live = _live(self._registry, job.model)
        if _version(live) == candidate.card.version:
            live = self._registry.read(job.model, run.version_before) if run.version_before is not None else None
        judges = held_out_groups(candidate.card)
        examples = tuple(example for example in pictures.examples if example.group in judges)
        trial = Trial(job.gate, candidate, live, examples, candidate.card.positive_label)
        return judged(trial, self._home.settings, self._watching), live

    def _settle(self, run: Run, job: JobFile, candidate: Package, pictures: Pictures, bid: Bid) -> None:
        """Decides, and acts on it; again, if another version went live while it was decided."""
        decided = False
        while not decided:
            decision, against = self._decision(run, job, candidate, pictures)
            decided = self._end(run, candidate, decision, against, bid)

    def _end(self, run: Run, candidate: Package, decision: Decision, against: Package | None, bid: Bid) -> bool:
        """Whether the decision holds: what is live is still what the candidate was compared with."""
        sentence, promote = decision.sentence, decision.passed
        if bid.dry:
            sentence, promote = f"dry run, so nothing is changed; it would be: {sentence}", False
        elif bid.force is not None:
            though = "" if decision.passed else " all the same"
            sentence, promote = f"promoted {candidate.id}{though} ({bid.force}); the gate: {sentence}", True
        with undisturbed():
            if self._again(run).state is not RunState.RUNNING:
                raise EndedMeanwhile(run.id)
            if _version(_live(self._registry, candidate.card.name)) not in (_version(against), candidate.card.version):
                return False
            if promote:
                self._registry.promote(candidate.card.name, candidate.card.version, self._now())
            self._book.change(
                run.id,
                # What is live now is told even if the run was cancelled in this very moment.
                frozenset(RunState) if promote else {RunState.RUNNING},
                state=RunState.PROMOTED if promote else RunState.KEPT,
                reason=sentence,
                ended_at=self._now(),
                version_after=_version(candidate if promote else against),
            )
        return True


class JobRunning(JobError):
    """The job is in the hands of another process."""


class EndedMeanwhile(JobError):
    """Somebody has ended the run, as by `watcher jobs cancel`."""

    def __init__(self, run: int) -> None:
        super().__init__(f"run {run} has ended meanwhile: see `watcher jobs show {run}`")


def _live(registry: Registry, model: str) -> Package | None:
    """What is live; None if nothing is. Raises ModelError where it is damaged, for then nothing can be compared."""
    try:
        return registry.current(model)
    except ModelMissing:
        return None


def _version(package: Package | None) -> int | None:
    return package.card.version if package else None
