"""The folders of runs that have not ended, beside the versions of their model: what a stopped run goes on in."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from watcher import __version__
from watcher.errors import DataError
from watcher.models.bases import IMAGENET, NONE
from watcher.models.durable import replace_text

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.training.job import Job
    from watcher.training.running import Pictures

UNFINISHED = ".training-"
LOCK = ".training.lock"
_NAME = "run"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run's own folder, and the name that the run has alone: the version that it ends in says it on its card."""

    folder: Path
    name: str

    def remove(self) -> None:
        """The name goes last: what is left by a crash, or cannot be removed, still says what it was."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name != _NAME:
                    path.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)


def identity(job: Job, pictures: Pictures) -> str:
    """Changes with the job and with any picture's name, label, group, size or time, but not with the way to them.

    12 hexadecimal digits. Of weights in a file, its size and time count, not its name.
    """
    settings = job.model_dump(mode="json", include={"model", "data", "training"})
    del settings["data"]["source"], settings["training"]["weights"], settings["training"]["teacher"]["weights"]
    # Another Watcher or Keras may build another network, which cannot go on with the weights of this one.
    digest = hashlib.sha256(f"{json.dumps(settings)} {__version__} {version('keras')}".encode())
    for weights in (job.training.weights, job.training.teacher.weights):
        file = None if weights in (IMAGENET, NONE) else _seen(Path(weights))
        digest.update(f"{file or weights}\n".encode("utf-8", "surrogateescape"))
    digest.update(f"{pictures.judges and sorted(pictures.judges)}\n".encode("utf-8", "surrogateescape"))
    roots = [str(source if source.is_dir() else source.parent) for source in pictures.sources]
    root = os.path.commonpath([os.path.abspath(root) for root in roots])
    for example in pictures.examples:
        facts = (os.path.relpath(example.path, root), example.label, example.group, _seen(example.path))
        digest.update(f"{facts}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]


def _seen(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return None


@contextlib.contextmanager
def own(home: Path, which: str) -> Iterator[Unfinished]:
    """The folder of the run with this identity, made or found again, and held for this process alone.

    Raises DataError where another process trains the model.
    """
    folder = home / f"{UNFINISHED}{which}"
    home.mkdir(0o755, parents=True, exist_ok=True)
    with _alone(home):
        folder.mkdir(0o700, exist_ok=True)  # nobody else has any business there
        if not (folder / _NAME).is_file():
            replace_text(folder / _NAME, f"{which}-{uuid.uuid4().hex[:12]}")
        run = Unfinished(folder, (folder / _NAME).read_text("utf-8"))
        try:
            yield run
        except DataError:
            # What the pictures do not allow, a second try would not, either.
            run.remove()
            raise


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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


def forget(home: Path, name: str) -> None:
    """Removes what is left of the run of this name, whose version is stored and judged."""
    for file in home.glob(f"{UNFINISHED}*/{_NAME}"):
        if file.read_text("utf-8") == name:
            Unfinished(file.parent, name).remove()


def tell_of_others(run: Unfinished, note: Callable[[str], None], now: datetime) -> None:
    """Notes each folder of another run of the same model, so that nobody's disk fills unseen."""
    for folder in sorted(run.folder.parent.glob(f"{UNFINISHED}*")):
        if folder == run.folder or not folder.is_dir():
            continue
        looks = [found for path in folder.rglob("*") if (found := _seen(path))]
        megabytes = sum(size for size, _ in looks) / 1e6
        last = max((time for _, time in looks), default=folder.stat().st_mtime_ns) / 1e9
        note(
            f"an unfinished training of {folder.parent.name} takes {megabytes:,.0f} MB, last worked on "
            f"{_ago(now.timestamp() - last)}: its own command goes on with it, or delete the folder {folder}"
        )


def _ago(seconds: float) -> str:
    hours = max(0, round(seconds / 3600))
    if hours < 1:
        return "within the hour"
    count, unit = (hours, "hour") if hours < 48 else (hours // 24, "day")
    return f"{count} {unit}{'s' * (count != 1)} ago"
