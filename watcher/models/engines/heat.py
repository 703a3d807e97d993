"""Where a model found what it says: Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).

It is a part of the model's own graph, so that scores and heat come out of one pass, and only what stands behind the last
maps is gone back through. Gradients are kept where they are, not averaged (HiResCAM; Draelos and Carin 2020,
https://arxiv.org/abs/2011.08891): for maps that are averaged that is the same, and where a maximum decides it is the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import keras


def scores_and_heat(model: keras.Model, pixels: Any) -> tuple[Any, Any]:
    """The scores [batch, labels] of pixels in TensorFlow's graph that is being made, and their heat, float32 [batch, h, w].

    The heat is 1 where the most speaks for the best label, and 0 where nothing does. Raises ModelError for a model
    without maps, that is activations [batch, h, w, channels].
    """
    import tensorflow as tf

    scores = model(tf.cast(pixels, tf.float32), training=False)
    logits = _logits(scores)
    maps = list(_maps(logits))
    # Softmax knows only by how much one label is before the others.
    labels = scores.shape[-1]
    before = tf.one_hot(tf.argmax(scores, axis=1), labels) - 1.0 / labels
    # By each map's own way to the head: not by the maps that are computed from it, which speak for themselves.
    gradients = tf.gradients(logits * before, maps, stop_gradients=maps)
    found = [pair for pair in zip(maps, gradients, strict=True) if pair[1] is not None]
    if not found:
        raise ModelError("no heat map can be drawn of this model, for nothing in it says where: leave heatmap off")
    size = max((each.shape[1:3] for each, _ in found), key=lambda sides: sides[0] * sides[1])
    heat = tf.nn.relu(tf.add_n([_heat(each, gradient, size) for each, gradient in found]))
    most = tf.reduce_max(heat, axis=[1, 2], keepdims=True)
    return scores, tf.math.divide_no_nan(heat, most)


def _heat(each: Any, gradient: Any, size: Any) -> Any:
    """What each place of a map adds to the logit, spread over as many places as the finest map has."""
    import tensorflow as tf

    added = tf.reduce_sum(tf.cast(each, tf.float32) * tf.cast(gradient, tf.float32), axis=-1, keepdims=True)
    share = each.shape[1] * each.shape[2] / (size[0] * size[1])
    return share * tf.image.resize(added, size)[..., 0]


def _logits(scores: Any) -> Any:
    """What the scores are the softmax of.

    A model that also looks at mirrored pictures has several: that of the picture as it is has the fewest steps before it.
    """
    labels = scores.shape[-1]
    found = [
        operation.inputs[0]
        for operation in scores.graph.get_operations()
        if operation.type == "Softmax"
        and operation.outputs[0].shape.rank == 2
        and operation.outputs[0].shape[1] == labels
    ]
    return min(found, key=lambda tensor: sum(1 for _ in _before([tensor])), default=scores)


def _maps(logits: Any) -> Iterable[Any]:
    """The last activations before the logits that have places: of several blocks, if the head looks at several."""
    return (tensor for tensor in _before([logits], stop=_has_places) if _has_places(tensor))


def _has_places(tensor: Any) -> bool:
    shape = tensor.shape
    return bool(
        tensor.dtype.is_floating
        and shape.rank == 4
        and shape[0] is None  # or it is a kernel
        and shape[1] is not None
        and shape[2] is not None
        and shape[1] * shape[2] > 1
    )


def _before(tensors: list[Any], stop: Any = lambda _: False) -> Iterable[Any]:
    """The tensors that these are computed from, themselves included, each once; not beyond those that `stop`."""
    seen: set[str] = set()
    while tensors:
        tensor = tensors.pop()
        if tensor.name in seen:
            continue
        seen.add(tensor.name)
        yield tensor
        if not stop(tensor):
            tensors.extend(tensor.op.inputs)
