"""What a job file without faults may still lack here: pictures, weights, a base, a model that anybody uses."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.models.bases import IMAGENET, NONE, STYLES
from watcher.models.builtin import fetchable
from watcher.models.registry import Registry
from watcher.toml_lines import line_of, lines_of_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.jobs.folder import Found
    from watcher.toml_file import Fault


def doubts(found: Found, home: Home) -> list[str]:
    """Sentences `FILE:LINE: key: what is missing`, for a person who validates; a run would fail with the like."""
    if found.job is None:
        return []
    lines = lines_of_keys(found.path.read_text("utf-8-sig"))
    missing = [*_model(found.job, home), *_sources(found.job), *_bases(found.job)]
    return [
        f"{found.path}:{line_of(lines, location)}: {'.'.join(map(str, location))}: {said}" for location, said in missing
    ]


def _model(job: JobFile, home: Home) -> Iterator[Fault]:
    """A name that nothing leads to is a slip of the pen more often than a plan."""
    used = {home.settings.models.default, *home.settings.models.routes.values()}
    known = used | fetchable() | set(Registry(home.models).names())
    if job.model in known:
        return
    close = difflib.get_close_matches(job.model, known, n=1)
    hint = f"did you mean {close[0]}? If it is to be new, " if close else ""
    yield (
        ("model",),
        f"there is no model {job.model} here, and no route leads to it: {hint}name it under [models.routes] in watcher.toml",
    )


def _sources(job: JobFile) -> Iterator[Fault]:
    if not job.data.source:
        yield (
            ("data", "source"),
            "the job does not say where its pictures are: a folder with a sub-folder for each label",
        )
    for source in job.data.source:
        if not Path(source).exists():
            yield ("data", "source"), f"there is no {source}: put the labelled pictures there, or mend the path"
    if not job.training.held_out:
        yield ("training", "held_out"), "is 0, so there would be nothing to compare two models by: 0.15 is usual"


def _bases(job: JobFile) -> Iterator[Fault]:
    training, teacher = job.training, job.training.teacher
    for where, name, weights in (
        (("training",), training.base, training.weights),
        *([(("training", "teacher"), teacher.base, teacher.weights)] if teacher.trust else []),
    ):
        if name not in STYLES and name not in (names := _names()):
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            yield (*where, "base"), f"there is no base {name}: {hint}"
        if weights not in (IMAGENET, NONE) and not Path(weights).is_file():
            yield (*where, "weights"), f"there is no file {weights}"


def _names() -> tuple[str, ...]:
    from watcher.models.bases import names  # which needs Keras, as only names that we do not know ourselves do

    return names()
