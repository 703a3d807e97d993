"""What keeps a machine from classifying more pictures a second, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.service.measuring import Measured
    from watcher.service.stages import Stage

# Of the cores. Below that, what other programs do changes little.
MANY = 0.1
# From here on the daemon is as good as the model alone.
AS_FAST = 0.93
# Of the cores; the rest goes to waiting that no more cores would shorten.
SATURATED = 0.8
MORE_CORES = 2

_DOING = {
    "read": "Reading files",
    "decode": "Decoding",
    "resize": "Resizing",
    "annotate": "Drawing and encoding annotated copies",
    "publish": "Writing annotated copies durably",
    "record": "Writing to the database",
    "release": "Moving the originals",
}


def limit(measured: Measured, *, on_gpu: bool) -> str:
    """The one sentence. `on_gpu`: the model needs none of the cores."""
    infer = next(stage for stage in measured.stages if stage.name == "infer")
    others = [stage for stage in measured.stages if stage.name != "infer"]
    if measured.ratio >= AS_FAST:
        return f"The model is the limit: the daemon reaches {measured.ratio:.0%} of what it does alone."
    if measured.busy + measured.others >= SATURATED * measured.cores:
        if not on_gpu and infer.cpu_ms > sum(stage.cpu_ms for stage in others):
            share = infer.cpu_ms / sum(stage.cpu_ms for stage in measured.stages)
            return f"The model is the limit: it takes {share:.0%} of the processors' time."
        return _of_cores(measured, max(others, key=lambda stage: stage.cpu_ms), on_gpu=on_gpu)
    slowest = max(others, key=_waiting)
    if _waiting(slowest) >= 1000 / measured.whole / 2:
        return (
            f"{_DOING[slowest.name]} is the limit: it waits {_waiting(slowest):.1f} ms a picture for the disk, "
            f"which more cores would not change."
        )
    return (
        f"What is done by one core at a time is the limit: the daemon kept {measured.busy:.1f} "
        f"of {measured.cores} cores busy, and reached {measured.ratio:.0%} of what the model does alone."
    )


def caveat(measured: Measured) -> str | None:
    """What to know before believing the figures."""
    if measured.others < MANY * measured.cores:
        return None
    return (
        f"Other programs had {measured.others:.1f} of {measured.cores} cores meanwhile, "
        "so this machine can do more than the figures say."
    )


def _of_cores(measured: Measured, stage: Stage, *, on_gpu: bool) -> str:
    gain = (measured.cores + MORE_CORES) / measured.cores
    if on_gpu:
        gain = min(gain, 1 / measured.ratio)
    return (
        f"{_DOING[stage.name]} is the limit: it takes {stage.cpu_ms:.1f} ms of a core for each picture; "
        f"{MORE_CORES} more cores would give {gain:.1f} x."
    )


def _waiting(stage: Stage) -> float:
    return stage.wall_ms - stage.cpu_ms
