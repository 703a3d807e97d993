"""What is trained: a base, the pooling of its blocks into features, and a head that tells labels from them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models import bases
from watcher.models.package import import_keras
from watcher.models.preprocessing import preprocessed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from numpy.typing import NDArray

    from watcher.training.mapped import Rows
    from watcher.training.probe import Head, Scale
    from watcher.training.recipe import Recipe
    from watcher.training.watching import Progress


BATCH = 64
EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Network:
    """The two halves, in Keras.

    `features`: RGB 0..255, float32 [batch, side, side, 3] → float32 [batch, width].
    `head`: features → logits, float32 [batch, labels]. `base` is the network inside `features`.
    """

    base: keras.Model
    features: keras.Model
    head: keras.Model

    def set_head(self, scale: Scale, head: Head) -> None:
        self.head.get_layer("scale").set_weights([scale.mean, scale.variance])
        self.head.get_layer("logits").set_weights([head.weights, head.biases])

    def shift(self, by: NDArray[np.float32]) -> None:
        """Adds to the logits [labels] of every picture."""
        logits = self.head.get_layer("logits")
        weights, biases = logits.get_weights()
        logits.set_weights([weights, biases + by])

    def joined(self) -> keras.Model:
        """Pixels to logits, over the same weights."""
        return import_keras().Model(self.features.input, self.head(self.features.output), name="network")


def side_of(recipe: Recipe) -> int:
    """Pixels a side of the pictures that the recipe's network takes."""
    return recipe.input_size or bases.style(recipe.base).input_size


def build(recipe: Recipe, labels: int, policy: str = "float32") -> Network:
    """A base with its first weights, computing under Keras' dtype `policy`, and a head with none yet.

    Raises ModelError as `bases.build` does.

    The mean of a block's activations tells how much of a thing there is, their maximum whether it is there at
    all, however small. While the base is frozen, its batch normalisation stays as it was learned; what fine-tuning
    unfreezes of it learns its statistics anew.
    """
    keras = import_keras()
    layers = keras.layers
    side = side_of(recipe)
    blocks = recipe.blocks or bases.style(recipe.base).blocks
    if recipe.weights == bases.NONE:
        keras.utils.set_random_seed(recipe.seed)  # what is gone on with starts from the same weights
    with _policy(policy):
        base = bases.build(recipe.base, side, recipe.weights, blocks)
    pixels = keras.Input((side, side, 3), name="rgb")
    outputs = base.network(preprocessed(pixels, base.mode), training=False)
    pooled = []
    for output in outputs if isinstance(outputs, list) else [outputs]:
        pooled.append(layers.GlobalAveragePooling2D(dtype="float32")(output))
        pooled.append(layers.GlobalMaxPooling2D(dtype="float32")(output))
    joined = layers.Concatenate(name="features", dtype="float32")(pooled)
    base.network.trainable = False
    top = head(joined.shape[-1], labels, recipe.fine_tune.dropout, recipe.seed)
    return Network(base.network, keras.Model(pixels, joined, name="features"), top)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    config = import_keras().config
    before = config.dtype_policy()
    config.set_dtype_policy(name)
    try:
        yield
    finally:
        config.set_dtype_policy(before)


def head(width: int, labels: int, dropout: float, seed: int) -> keras.Model:
    """From features to logits; the layer `scale` brings all features to one scale first."""
    keras = import_keras()
    layers = keras.layers
    features = keras.Input((width,), name="features")
    x = layers.BatchNormalization(center=False, scale=False, epsilon=EPSILON, trainable=False, name="scale")(features)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x)
    return keras.Model(features, layers.Dense(labels, dtype="float32", name="logits")(x), name="head")


def outputs(model: keras.Model, inputs: Rows | NDArray[Any], progress: Progress | None = None) -> NDArray[np.float32]:
    """A model's outputs for all inputs, a batch at a time, so that a mapped file is never read whole.

    The last batch is filled up: for another size of it the model would be compiled anew.
    """
    size = min(BATCH, len(inputs))
    found = []
    for start in range(0, len(inputs), size):
        batch = np.asarray(inputs[start : start + size], np.float32)
        missing = size - len(batch)
        filled = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        found.append(np.asarray(model.predict_on_batch(filled), np.float32)[: len(batch)])
        if progress:
            progress(start + len(batch), len(inputs))
    return np.concatenate(found)
