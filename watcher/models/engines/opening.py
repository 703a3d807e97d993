"""From an engine's name to an engine, and which of them this machine has."""

from __future__ import annotations

import importlib.util
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from watcher.errors import ModelError
from watcher.models import trial_pictures
from watcher.models.engines import vino
from watcher.models.engines.graph import GraphEngine, HeatEngine, Precision
from watcher.models.engines.plain import KerasEngine
from watcher.models.package import import_keras, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras

    from watcher.models.engines.engine import Engine
    from watcher.models.package import Package
    from watcher.settings import EngineName

# OpenVINO's network in 8-bit integers, which takes minutes to make, stands in the package with this name.
QUANTISED = "openvino-int8"
_CPU_FLAGS = Path("/proc/cpuinfo")

_MAKE: Mapping[str, Callable[[keras.Model], Engine]] = {
    "keras": KerasEngine,
    "graph": GraphEngine,
    "graph-bfloat16": partial(GraphEngine, precision="bfloat16"),
    "graph-float16": partial(GraphEngine, precision="float16"),
    "xla": partial(GraphEngine, jit=True),
    "xla-float16": partial(GraphEngine, precision="float16", jit=True),
    "openvino": lambda model: vino.OpenVinoEngine(vino.converted(model), "float32"),
    "openvino-bfloat16": lambda model: vino.OpenVinoEngine(vino.converted(model), "bfloat16"),
}


# Those that can also say where a model looked.
HEATING: Mapping[str, Precision] = {"graph": "float32", "graph-bfloat16": "bfloat16", "graph-float16": "float16"}


def exact() -> Literal["graph", "keras"]:
    """The engine that others are checked against: float32, on Keras' own backend."""
    return "graph" if import_keras().backend.backend() == "tensorflow" else "keras"


def open_engine(package: Package, name: EngineName) -> Engine:
    """The model of a package, loaded and ready to run; auto is the exact engine.

    Raises ModelError if the package is damaged or the engine cannot be had here.
    """
    wanted = exact() if name == "auto" else name
    if fault := lack(package, wanted):
        raise ModelError(f"the engine {wanted} {fault}")
    model = load(package)
    if wanted == "openvino-int8":
        return vino.OpenVinoEngine(_quantised(package, model), "int8")
    return _MAKE[wanted](model)


def open_heat_engine(package: Package, name: EngineName) -> HeatEngine:
    """As `open_engine`, one that says where the model looked. Raises ModelError where the engine or the model cannot."""
    wanted = exact() if name == "auto" else name
    if wanted not in HEATING:
        raise ModelError(
            f'the engine {wanted} draws no heat maps: set engine = "auto" or "graph", or leave heatmap off'
        )
    if fault := lack(package, wanted):
        raise ModelError(f"the engine {wanted} {fault}")
    return HeatEngine(load(package), HEATING[wanted])


def candidates(package: Package) -> tuple[EngineName, ...]:
    """The engines worth a trial on this machine beside the exact one."""
    if gpu():
        worth = ("graph-float16", "xla", "xla-float16")
    else:
        worth = (*(("graph-bfloat16", "openvino-bfloat16") if _has_bfloat16() else ()), "openvino", QUANTISED)
    return tuple(cast("EngineName", name) for name in worth if lack(package, name) is None)


def lack(package: Package, name: str) -> str | None:
    """Why an engine cannot be had for a package here, and what to do; None if it can be tried."""
    if name == "keras":
        return None
    if (backend := import_keras().backend.backend()) != "tensorflow":
        return f'runs on TensorFlow, and Keras is set to {backend}: use engine = "keras"'
    if not name.startswith("openvino"):
        return None
    if importlib.util.find_spec("openvino") is None:
        return "needs OpenVINO: `pip install 'watcher[openvino]'`"
    if name != QUANTISED:
        return None
    if importlib.util.find_spec("nncf") is None:
        return "needs NNCF: `pip install 'watcher[openvino]'`"
    if not trial_pictures.has(package):
        return f"needs pictures to take the ranges of its numbers from: `watcher models try {package.card.name} FOLDER`"
    return None


def _quantised(package: Package, model: keras.Model) -> object:
    file = package.folder / QUANTISED
    if not file.with_suffix(".xml").is_file():
        vino.save(vino.quantised(model, trial_pictures.read(package)), file)
    return vino.opened(file)


@lru_cache
def gpu() -> str | None:
    """The name of TensorFlow's GPU, if it has one."""
    if exact() != "graph":
        return None
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else None


@lru_cache
def _has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 itself: where it does not, that is slower than float32."""
    try:
        return any(flag in _CPU_FLAGS.read_text("ascii", "replace") for flag in ("avx512_bf16", "amx_bf16"))
    except OSError:
        return False
