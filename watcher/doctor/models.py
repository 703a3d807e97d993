"""What models are run with, and the models that the settings name: there, whole, and can they be run?"""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.doctor.findings import Finding, Level
from watcher.errors import ModelError, ModelMissing
from watcher.models.package import check_digest
from watcher.models.registry import Registry

if TYPE_CHECKING:
    from watcher.doctor.asking import Answer
    from watcher.home import Home

AREA, BACKEND, GPU = "models", "TensorFlow", "GPU"
# A batch that takes this share of timeout_seconds is cut off when the machine is busy.
TOO_LONG = 0.25
_GIVE_ROOM = "give the machine more memory, or fetch or import the model again"
_GPU_COMPLAINT = re.compile(r"[^\n]*(?:dlopen|CUDA_ERROR|cuda drivers|libcu\w+|cuInit)[^\n]*", re.IGNORECASE)


def on_disk(home: Home) -> Iterator[Finding]:
    """Every model that the settings name, by its files alone."""
    settings, registry = home.settings.models, Registry(home.models)
    users: dict[str, list[str]] = {}
    for route, name in settings.routes.items():
        users.setdefault(name, []).append(f"pictures in {route}/")
    users.setdefault(settings.default, []).append("all other pictures" if users else "all pictures")
    for name, routes in users.items():
        used = f"for {', '.join(routes)}"
        try:
            package = registry.current(name)
            check_digest(package)
        except ModelMissing:
            advice = _bring(name, registry)
            yield Finding(AREA, name, Level.WARNING, f"is not here yet {used}: until it is, they wait", advice)
        except ModelError as fault:
            yield Finding(AREA, name, Level.WARNING, f"cannot be used {used}, which wait: {fault}", _mend(name))
        else:
            yield Finding(AREA, package.id, Level.OK, f"is there {used}, and whole")


def _bring(name: str, registry: Registry) -> str:
    from watcher.models.builtin import fetchable

    if name in fetchable():
        return f"{_mend(name)}; the daemon fetches it by itself where it can"
    close = difflib.get_close_matches(name, {*fetchable(), *registry.names()}, n=1)
    hint = f"; or did you mean {close[0]}, under [models]?" if close else ""
    return f"`watcher models import {name} PATH`, or `watcher train`{hint}"


def _mend(name: str) -> str:
    from watcher.models.builtin import fetchable

    if name in fetchable():
        return f"`watcher models fetch {name}`"
    return f"`watcher models import {name} PATH`, or `watcher models rollback {name}` to a version that is whole"


def wanted(home: Home) -> list[str]:
    """The models of the settings that have files here, those that are to tell heat as `NAME:heat`."""
    registry, settings = Registry(home.models), home.settings
    named = {settings.models.default, *settings.models.routes.values()}
    return sorted(f"{name}:heat" if settings.heats(name) else name for name in named if registry.has(name))


def installed() -> Finding:
    """What is installed to run models, without loading it."""
    versions = []
    for name in ("tensorflow-cpu", "tensorflow", "keras"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    if not any(version.startswith("tensorflow") for version in versions):
        return Finding(AREA, BACKEND, Level.FAULT, "TensorFlow is not installed", "`pip install 'watcher[cpu]'`")
    return Finding(AREA, BACKEND, Level.OK, f"{', '.join(versions)} (not loaded)")


def run(answer: Answer, timeout_seconds: float, batch_size: int, cards: Sequence[str]) -> Iterator[Finding]:
    """What a child process has told that loaded TensorFlow and the models; `cards`: NVIDIA's in this machine."""
    first, *others = answer.lines or ({},)
    yield from _backend(first, answer, cards)
    for said in others:
        if "loading" not in said:
            yield _loaded(said, timeout_seconds, batch_size)
    if others and "loading" in others[-1]:
        yield Finding(AREA, others[-1]["loading"], Level.FAULT, f"ends whoever loads it: {_end(answer)}", _GIVE_ROOM)


def _backend(first: dict[str, Any], answer: Answer, cards: Sequence[str]) -> Iterator[Finding]:
    if not first:
        advice = (
            "install it anew: `pip install --force-reinstall 'watcher[cpu]'`; `python -c 'import tensorflow'` says more"
        )
        yield Finding(AREA, BACKEND, Level.FAULT, f"cannot be loaded: {_end(answer)}", advice)
        return
    if "fault" in first:
        advice = "`pip install 'watcher[cpu]'`, or `pip install 'watcher[gpu]'` for an NVIDIA GPU"
        yield Finding(AREA, BACKEND, Level.FAULT, first["fault"], advice)
        return
    by = f"TensorFlow {first['tensorflow']}" if "tensorflow" in first else f"its backend {first['backend']}"
    yield Finding(AREA, BACKEND, Level.OK, f"Keras {first['keras']} with {by} can be loaded")
    if "tensorflow" in first:
        yield _gpu(first, answer, cards)


def _gpu(first: dict[str, Any], answer: Answer, cards: Sequence[str]) -> Finding:
    if first["gpus"]:
        return Finding(AREA, GPU, Level.OK, f"TensorFlow computes on {', '.join(first['gpus'])}")
    if not cards:
        return Finding(AREA, GPU, Level.OK, "none; models are run on the processor")
    found = f"{', '.join(cards)} is here, and TensorFlow does not use it"
    if not first["for_gpus"]:
        advice = "`pip uninstall tensorflow-cpu`, then `pip install 'watcher[gpu]'`: this TensorFlow is for processors"
        return Finding(AREA, GPU, Level.WARNING, found, advice)
    complaint = _GPU_COMPLAINT.search(answer.errors)
    why = f": {complaint[0].strip()[-200:]}" if complaint else ""
    advice = (
        "see whether `nvidia-smi` lists it; then install `pip install 'watcher[gpu]'` anew, in a container with "
        "NVIDIA's runtime (`--gpus all`)"
    )
    return Finding(AREA, GPU, Level.WARNING, found + why, advice)


def _loaded(said: dict[str, Any], timeout_seconds: float, batch_size: int) -> Finding:
    if "fault" in said:
        return Finding(AREA, said["model"], Level.FAULT, f"cannot be run: {said['fault']}", _mend(said["model"]))
    engine = f"engine {said['engine']}"
    batch = said["seconds"] * batch_size
    if batch > TOO_LONG * timeout_seconds:
        found = f"runs ({engine}), a batch of {batch_size} in about {batch:.0f} s of the {timeout_seconds:g} that it may take"
        advice = "lower batch_size, or raise timeout_seconds, under [inference]: or it is taken for one that hangs"
        return Finding(AREA, said["id"], Level.WARNING, found, advice)
    if not said["tried"]:
        found = f"runs ({engine}); no other engines were tried on this machine"
        advice = f"the daemon does so at its start; `watcher models try {said['model']}` does it now"
        return Finding(AREA, said["id"], Level.NOTE, found, advice)
    return Finding(AREA, said["id"], Level.OK, f"runs ({engine})")


def _end(answer: Answer) -> str:
    """How a child process came to its end, with what it said last."""
    if answer.code is None:
        return "it takes too long"
    lines = answer.errors.strip().splitlines()
    last = f" ({lines[-1][-200:]})" if lines else ""
    if answer.code >= 0:
        return f"it ended with {answer.code}{last}"
    name = signal.Signals(-answer.code).name
    known = {"SIGILL": ", for this processor lacks what it was built for", "SIGKILL": ", perhaps for want of memory"}
    return f"it was ended by {name}{known.get(name, '')}{last}"


def nvidia_cards(proc: Path = Path("/proc/driver/nvidia/gpus"), dev: Path = Path("/dev")) -> list[str]:
    """NVIDIA's GPUs as the kernel knows them, by name where it tells."""
    found = []
    for path in sorted(proc.glob("*/information")):
        lines = path.read_text("ascii", "replace").splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return found or ["an NVIDIA GPU" for _ in dev.glob("nvidia[0-9]")][:1]
