"""One TensorFlow function with its weights frozen in: no Python and no retracing for each batch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from watcher.models.engines.heat import scores_and_heat

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

Precision = Literal["float32", "bfloat16", "float16"]

# Grappler's passes that let convolutions and products compute in fewer bits and leave to float32 what needs it
# (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740): by oneDNN on a CPU, on the tensor cores of a GPU.
_REWRITERS = {"bfloat16": "auto_mixed_precision_onednn_bfloat16", "float16": "auto_mixed_precision"}


class GraphEngine:
    """The frozen function, in float32 or a shorter format; with `jit` compiled by XLA, once for each size of a batch."""

    def __init__(
        self,
        model: keras.Model,
        precision: Precision = "float32",
        *,
        jit: bool = False,
        call: Callable[[Any], Any] | None = None,
    ) -> None:
        import tensorflow as tf

        kind = "xla" if jit else "graph"
        self.name = kind if precision == "float32" else f"{kind}-{precision}"
        run = frozen(model, call)
        if precision != "float32":
            run = _shortened(run, precision)
        self._run = tf.function(run, jit_compile=True) if jit else run
        self._constant = tf.constant

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: Any = self._run(self._constant(pixels))
        return np.asarray(output[0] if isinstance(output, (list, tuple)) else output, np.float32)


class HeatEngine(GraphEngine):
    """The frozen function that also says where it found what it says. Raises ModelError for a model without places."""

    def __init__(self, model: keras.Model, precision: Precision = "float32") -> None:
        super().__init__(model, precision, call=partial(scores_and_heat, model))

    def look(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `predict`, and the heat of the best label, float32 [batch, h, w] from 0 to 1: the rows of a coarse grid."""
        scores, heat = self._run(self._constant(pixels))
        return np.asarray(scores, np.float32), np.asarray(heat, np.float32)


def frozen(model: keras.Model, call: Callable[[Any], Any] | None = None) -> Any:
    """A concrete function of pixels, uint8 [batch, height, width, 3], whose weights are constants.

    `call` says what it computes of them, if that is not just the model's scores.
    """
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    function = tf.function(call or (lambda pixels: model(tf.cast(pixels, tf.float32), training=False)))
    shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
    return convert_to_constants.convert_variables_to_constants_v2(function.get_concrete_function(shape))


def _shortened(function: Any, precision: Precision) -> Any:
    """The same function rewritten for a shorter format, of which the rest of the process knows nothing.

    TensorFlow's own switch for this is one for the whole process, and would change functions made before.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    graph = tf.compat.v1.train.export_meta_graph(graph_def=function.graph.as_graph_def(), graph=function.graph)
    ends = [*function.inputs, *function.outputs]
    graph.collection_def["train_op"].node_list.value.extend(end.name for end in ends)
    config = config_pb2.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    setattr(rewriting, _REWRITERS[precision], rewriter_config_pb2.RewriterConfig.ON)
    # The runtime folds and fuses once more; here that would only be done twice, and grappler complains of it.
    rewriting.remapping = rewriter_config_pb2.RewriterConfig.OFF
    rewriting.min_graph_nodes = -1
    rewritten = tf_optimizer.OptimizeGraph(config, graph)
    whole = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(rewritten, name=""), [])
    return whole.prune([end.name for end in function.inputs], [end.name for end in function.outputs])
