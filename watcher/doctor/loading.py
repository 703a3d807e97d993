"""A program that loads TensorFlow and models and tells as JSON how that went: either may end whoever does so.

`python -m watcher.doctor.loading MODELS BATCH_SIZE ENGINE [NAME|NAME:heat…]`
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.settings import EngineName


def backend() -> dict[str, Any]:
    """Keras and what it computes with; what of that cannot be loaded is told as `fault`."""
    from watcher.models.package import first_line, import_keras

    try:
        keras = import_keras()
        name = keras.backend.backend()
        found = {"keras": keras.__version__, "backend": name}
        return found | (_tensorflow() if name == "tensorflow" else {})
    except WatcherError as fault:
        return {"fault": str(fault)}
    except Exception as fault:  # noqa: BLE001  (whatever a broken installation raises)
        return {"fault": f"{type(fault).__name__}: {first_line(fault)}"}


def _tensorflow() -> dict[str, Any]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return {"tensorflow": tf.__version__, "gpus": names, "for_gpus": tf.test.is_built_with_cuda()}


def load(models: Path, wanted: str, batch_size: int, engine: str) -> dict[str, Any]:
    """One model, loaded and tried as the daemon does: its engine, and seconds for one picture of a batch."""
    import numpy as np

    from watcher.models.engines.kept import kept
    from watcher.models.package import first_line
    from watcher.models.registry import Registry
    from watcher.vision.vision import Vision

    name, _, heat = wanted.partition(":")
    try:
        package = Registry(models).current(name)
        tried = engine != "auto" or kept(package, batch_size) is not None
        vision = Vision(package, cast("EngineName", engine), batch_size, 1, heat=bool(heat))
        pixels = [np.full((*package.card.input_size, 3), 128, np.uint8)]
        begun = time.perf_counter()
        vision.classify(pixels)
        seconds = time.perf_counter() - begun
    except WatcherError as fault:
        return {"model": name, "fault": str(fault)}
    except Exception as fault:  # noqa: BLE001  (what Keras or an engine raises)
        return {"model": name, "fault": f"{type(fault).__name__}: {first_line(fault)}"}
    return {"model": name, "id": package.id, "engine": vision.engine.name, "tried": tried, "seconds": seconds}


def main() -> None:
    models, batch_size, engine, *names = sys.argv[1:]
    found = backend()
    _tell(found)
    for name in () if "fault" in found else names:
        _tell({"loading": name.partition(":")[0]})
        _tell(load(Path(models), name, int(batch_size), engine))


def _tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
