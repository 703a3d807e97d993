"""A home folder: where everything of one Watcher stands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from watcher.errors import HomeError
from watcher.settings import Folders, Settings, commented, load

SETTINGS = "watcher.toml"
# Rights of folders, of which the umask takes some away.
CLOSED, OPEN = 0o755, 0o777


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of a home, absolute, and its settings."""

    root: Path
    settings: Settings

    @property
    def inbox(self) -> Path:
        return self.root / self.settings.folders.inbox

    @property
    def outbox(self) -> Path:
        return self.root / self.settings.folders.outbox

    @property
    def done(self) -> Path:
        return self.root / self.settings.folders.done

    @property
    def failed(self) -> Path:
        return self.root / self.settings.folders.failed

    @property
    def models(self) -> Path:
        return self.root / self.settings.folders.models

    @property
    def corrections(self) -> Path:
        return self.root / self.settings.folders.corrections

    @property
    def jobs(self) -> Path:
        return self.root / self.settings.folders.jobs

    @property
    def job_logs(self) -> Path:
        """What runs of jobs said, a file each; and their locks."""
        return self.jobs / "log"

    def job_lock(self, job: str) -> Path:
        """Held by the process that a job runs in."""
        return self.job_logs / f".{job}.lock"

    @property
    def lock(self) -> Path:
        return self.root / ".watcher.lock"

    @property
    def all_folders(self) -> tuple[Path, ...]:
        return _folders(self.root, self.settings.folders)

    def folder_of(self, path: Path) -> Path:
        """The folder of the settings that `path` lies in; else the home, or where it is not in there either, its own."""
        text = str(path)
        around = (
            folder for folder, start in _deepest_first(self.root, self.settings.folders) if text.startswith(start)
        )
        return next(around, path.parent)

    def relative(self, path: Path) -> str:
        """How the results name a path: relative to the home where it lies inside, else absolute."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


# Asked of each picture several times.
@lru_cache(maxsize=16)
def _folders(root: Path, folders: Folders) -> tuple[Path, ...]:
    return tuple(root / name for name in folders.model_dump().values())


@lru_cache(maxsize=16)
def _deepest_first(root: Path, folders: Folders) -> tuple[tuple[Path, str], ...]:
    """The home and its folders, each with how the paths of what lies in it begin."""
    deepest_first = sorted((root, *_folders(root, folders)), key=lambda folder: len(folder.parts), reverse=True)
    return tuple((folder, os.path.join(folder, "")) for folder in deepest_first)


def find(given: Path | None) -> Path:
    """The home's folder: `--home`, else `$WATCHER_HOME`, else the current folder. Absolute; may not exist."""
    chosen = given or os.environ.get("WATCHER_HOME") or "."
    return Path(os.path.abspath(os.path.expanduser(chosen)))


def exists(root: Path) -> bool:
    return (root / SETTINGS).is_file()


def open_home(root: Path) -> Home:
    """The home at `root`.

    Raises HomeError where none was made, SettingsError where its settings have faults.
    """
    if not exists(root):
        raise HomeError(
            f"no Watcher home in {root}: make one with `watcher init`, "
            "or say where it is with --home DIR or WATCHER_HOME"
        )
    return Home(root, load(root / SETTINGS))


def make_home(root: Path, settings: Settings | None = None) -> list[Path]:
    """Makes what a home at `root` lacks and returns it; what is there stays as it is.

    Whatever the umask, only the owner may change the settings, the jobs and the models, and add names to the home: they
    decide what the daemon does. Raises HomeError where a file is in the way or the folder cannot be written.
    """
    made = []
    try:
        _make(root, CLOSED)
        path = root / SETTINGS
        try:
            with open(path, "x", encoding="utf-8", opener=_closed) as file:
                file.write(commented(settings))
            made.append(path)
        except FileExistsError:
            pass
        home = open_home(root)
        for folder in home.all_folders:
            if not folder.is_dir():
                _make(folder, CLOSED if folder in (home.jobs, home.models) else OPEN)
                made.append(folder)
    except OSError as fault:
        raise HomeError(f"cannot make a home in {root}: {fault.filename or ''}: {fault.strerror}") from fault
    return made


def _make(folder: Path, mode: int) -> None:
    """A folder, and those above it, which only their owner may change: else others could put one in its place."""
    if folder.is_dir():
        return
    _make(folder.parent, CLOSED)
    folder.mkdir(mode, exist_ok=True)


def _closed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o644)
