"""Intel's OpenVINO, on the CPU: the extra `openvino`."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from watcher.models.engines.graph import frozen

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

Precision = Literal["float32", "bfloat16", "int8"]

IN_FLIGHT = 2
_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # int8 is in the network; what is not stays exact


class OpenVinoEngine:
    """A converted network that works on two halves of a batch at a time."""

    def __init__(self, network: Any, precision: Precision) -> None:
        openvino = _silent("openvino")
        self.name = "openvino" if precision == "float32" else f"openvino-{precision}"
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(IN_FLIGHT),
        }
        compiled = openvino.Core().compile_model(network, "CPU", settings)
        self._queue = openvino.AsyncInferQueue(compiled, IN_FLIGHT)
        self._queue.set_callback(self._arrived)
        self._found: dict[int, NDArray[np.float32]] = {}

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [part for part in np.array_split(pixels, IN_FLIGHT) if len(part)]
        for place, part in enumerate(parts):
            self._queue.start_async({0: np.ascontiguousarray(part)}, place)
        self._queue.wait_all()
        return np.concatenate([self._found.pop(place) for place in range(len(parts))])

    def _arrived(self, request: Any, place: int) -> None:
        self._found[place] = np.array(request.get_output_tensor().data, np.float32)


def converted(model: keras.Model) -> Any:
    """OpenVINO's network of a Keras model, from TensorFlow's graph of it."""
    openvino = _silent("openvino")
    function = frozen(model)
    return openvino.convert_model(function.graph.as_graph_def(), input=[-1, *model.input_shape[1:]])


def quantised(model: keras.Model, pictures: NDArray[np.uint8]) -> Any:
    """The network in 8-bit integers, their ranges taken from pictures, uint8 [n, height, width, 3]: by NNCF."""
    nncf = _silent("nncf")
    data = nncf.Dataset([picture[None] for picture in pictures])
    return nncf.quantize(converted(model), data, subset_size=len(pictures))


def save(network: Any, file: Path) -> None:
    """As OpenVINO's two files, `file` with the suffixes .xml and .bin."""
    openvino = _silent("openvino")
    openvino.save_model(network, file.with_suffix(".xml"), compress_to_fp16=False)


def opened(file: Path) -> Any:
    """What `save` has written."""
    openvino = _silent("openvino")
    return openvino.Core().read_model(file.with_suffix(".xml"))


def _silent(name: str) -> Any:
    """The module, without its telemetry: unless it is kept from being imported, that tells its maker of every use."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module(name)
