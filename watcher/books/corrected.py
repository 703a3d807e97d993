"""What becomes of a file in corrections/."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from watcher.intake.filters import has_picture_ending, is_hidden_folder, temporary_pattern
from watcher.intake.names import clean
from watcher.jobs.folder import read_folder
from watcher.results import audit
from watcher.vision.encode import read_caption

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.home import Home
    from watcher.jobs.files import JobFile
    from watcher.results import Database

PLACE = "is not where a correction belongs: put it under corrections/MODEL/LABEL/"


def of_correction(home: Home, database: Database | None, path: Path) -> str:
    """What a file in corrections/ says, and who learns from it; the rest of a sentence. Raises DatabaseUnavailable."""
    model, *parts = os.path.relpath(path, home.corrections).split(os.sep)
    if path.is_dir() or len(parts) < 2:
        return PLACE
    label = parts[0]
    if path.is_symlink():
        return "is a symbolic link, which is never followed; put the picture itself here"
    if (pattern := temporary_pattern(path.name)) or any(map(is_hidden_folder, parts[:-1])):
        return f"is passed over: {f'its name fits {pattern}' if pattern else 'it lies in a hidden folder'}"
    if not has_picture_ending(path.name):
        return "is passed over: its name does not end like a picture's"
    says = f"says that a picture is truly {clean(label)}, for the model {clean(model)}{_of(home, database, path)}"
    jobs = [found.name for found in read_folder(home.jobs) if found.job and _learns(found.job, model)]
    if not jobs:
        return f"{says}; no job learns from it, for none in {clean(home.relative(home.jobs))} trains that model"
    return f"{says}; the next run of {'the job' if len(jobs) == 1 else 'each of the jobs'} {', '.join(jobs)} learns from it"


def _learns(job: JobFile, model: str) -> bool:
    return job.model == model and job.data.corrections


def _of(home: Home, database: Database | None, copy: Path) -> str:
    """Of an annotated copy the original counts."""
    try:
        caption = read_caption(copy)
    except OSError:
        caption = None
    if caption is None:
        return ""
    entry = audit.by_claim(database, [caption.claim]).get(caption.claim) if database else None
    place = home.root / entry.original_path if entry and entry.original_path and entry.kept is None else None
    if entry is None or place is None or not place.is_file():
        return " (an annotated copy whose original is gone, and so left out)"
    return f" (an annotated copy of row {entry.id}, whose original, {entry.original_path}, is what counts)"
