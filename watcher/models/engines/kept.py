"""What trials of engines came to, beside the package: for each machine, with its libraries, one choice."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import structlog

from watcher.models.durable import replace_text
from watcher.models.engines.opening import HEATING, gpu

if TYPE_CHECKING:
    from watcher.models.package import Package
    from watcher.settings import EngineName

log = structlog.get_logger()

FILE = "engines.json"
_LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "jax", "torch", "openvino", "nncf")


@dataclass(frozen=True, slots=True)
class Trial:
    """What an engine did: pictures a second, its share of agreement, its largest deviation; or why it is refused."""

    engine: EngineName
    rate: float
    agreement: float
    deviation: float
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine for a package on this machine, and the trials that led to it; `at` is UTC in ISO 8601."""

    engine: EngineName
    trials: tuple[Trial, ...]
    at: str
    whole: bool = True
    """Whether all trials came to their end."""

    def taken(self, *, heat: bool) -> EngineName:
        """The engine to open: where heat is wanted, the fastest that tells it and was not refused."""
        passed = [trial for trial in self.trials if trial.engine in HEATING and trial.refusal is None]
        if not heat:
            return self.engine
        return max(passed, key=lambda trial: trial.rate).engine if passed else "auto"


def kept(package: Package, batch_size: int) -> Choice | None:
    """What was chosen on this machine with these libraries, if anything was."""
    choice = read(package, batch_size)
    return choice if choice and choice.whole else None


def read(package: Package, batch_size: int) -> Choice | None:
    """As `kept`, but also what came to no end."""
    try:
        said = _all(package)[_machine(batch_size)]
        return Choice(said["engine"], tuple(Trial(**trial) for trial in said["trials"]), said["at"], said["whole"])
    except (KeyError, TypeError):
        return None


def keep(package: Package, batch_size: int, choice: Choice) -> bool:
    """Beside what other machines chose. Whether it could be kept."""
    said = _all(package) | {_machine(batch_size): asdict(choice)}
    try:
        replace_text(package.folder / FILE, json.dumps(said, indent=1) + "\n")
    except OSError as fault:
        log.warning("the choice of an engine cannot be kept", model=package.id, reason=str(fault))
        return False
    return True


def _all(package: Package) -> dict[str, Any]:
    try:
        said = json.loads((package.folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _machine(batch_size: int) -> str:
    """What a rate depends on, in words: another processor, number of cores or library needs trials of its own."""
    versions = []
    for name in _LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{gpu() or processor()}, {os.cpu_count()} cores, batches of {batch_size}, {', '.join(versions)}"


def processor() -> str:
    """Its name, as the system has it."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            named = next((line for line in lines if line.startswith("model name")), "")
    except OSError:
        named = ""
    return named.partition(":")[2].strip() or platform.processor() or platform.machine()
