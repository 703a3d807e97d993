"""Unlike anything it was trained on: such a picture gets no confident score, whatever the network makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models.package import import_keras
from watcher.training.network import EPSILON
from watcher.training.probe import Scale

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from watcher.training.network import Network

# Directions in which training pictures differ most, whose spread is known well enough to measure by.
DIRECTIONS = 64
# Deviations beyond which a feature is as odd as it can be: their tails are long, and one of thousands must not decide.
MOST = 3.0
# The strangeness of all but one in a hundred validation pictures is 1 or less.
USUAL = 0.99
# Half of a score is believed at this strangeness, and how quickly belief falls there: of malaria cells never seen
# before none was beyond 1.25, of flat colours and noise none below 1.5.
HALF_BELIEVED = 1.2
_STEEPNESS = 20.0
# Of what is stranger still so little is believed, in parts of an equal share, that the same label comes first.
_LEAST_BELIEVED = 1e-3


@dataclass(frozen=True, slots=True)
class Familiar:
    """What the features of training pictures are like, each scaled and cut off at MOST; width w, k directions.

    Strangeness is the larger of two distances, each over what is usual: within the k main directions in their
    own spreads (Mahalanobis; Lee et al. 2018, https://arxiv.org/abs/1807.03888), and away from all of them
    (the residual of ViM; Wang et al. 2022, https://arxiv.org/abs/2203.10807).
    """

    scale: Scale
    centre: NDArray[np.float32]
    directions: NDArray[np.float32]
    """[w, k], orthonormal."""
    spreads: NDArray[np.float32]
    """[k]: standard deviations."""
    usual_within: float
    usual_away: float


def learn(training: NDArray[Any], validation: NDArray[Any], seed: int) -> Familiar:
    """From features [n, w] of pictures that were learned from, and of others of their kind."""
    from sklearn.decomposition import PCA

    scale = Scale.of(training)
    training = np.clip(scale(training), -MOST, MOST)
    count = min(DIRECTIONS, len(training) - 1, training.shape[1])
    with np.errstate(invalid="ignore"):  # shares of the spread, which may be none, and which nobody asks for
        found = PCA(count, svd_solver="randomized", random_state=seed).fit(training)
    spreads = np.sqrt(np.maximum(found.explained_variance_, 1e-6)).astype(np.float32)
    centre, directions = found.mean_.astype(np.float32), found.components_.T.astype(np.float32)
    within, away = _distances(np.clip(scale(validation), -MOST, MOST) - centre, directions, spreads)
    return Familiar(
        scale,
        centre,
        directions,
        spreads,
        max(float(np.quantile(within, USUAL)), 1e-6),
        max(float(np.quantile(away, USUAL)), 1e-6),
    )


def _distances(
    offsets: NDArray[np.float32], directions: NDArray[np.float32], spreads: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    along = offsets @ directions
    return (
        np.mean(np.square(along / spreads), axis=1),
        np.sum(np.square(offsets), axis=1) - np.sum(np.square(along), axis=1),
    )


def finished(network: Network, familiar: Familiar, looks: int) -> keras.Model:
    """RGB 0..255 → probabilities [batch, labels], float32: the network's where pictures are familiar, equal ones elsewhere.

    The label that comes first is the network's either way. With 2, 4 or 8 `looks` the probabilities are the mean of
    those of the picture and of its mirror images, at 8 also turned by a right angle; it takes as much longer.
    """
    keras = import_keras()
    once = _once(network, familiar)
    if looks == 1:
        return once
    pixels = keras.Input(once.input_shape[1:], name="rgb")
    pictures = [pixels, pixels[:, :, ::-1]]
    if looks >= 4:
        pictures += [picture[:, ::-1] for picture in pictures]
    if looks == 8:
        pictures += [keras.ops.transpose(picture, (0, 2, 1, 3)) for picture in pictures]
    mean = keras.layers.Average(name="mean", dtype="float32")([once(picture) for picture in pictures])
    return keras.Model(pixels, mean, name="classifier")


def _once(network: Network, familiar: Familiar) -> keras.Model:
    keras = import_keras()
    ops, layers = keras.ops, keras.layers
    features = network.features.output
    probabilities = layers.Softmax(name="probabilities", dtype="float32")(network.head(features))
    scaling = layers.BatchNormalization(center=False, scale=False, epsilon=EPSILON, trainable=False, name="scaling")
    offsets = ops.clip(scaling(features), -MOST, MOST) - familiar.centre[None]
    scaling.set_weights([familiar.scale.mean, familiar.scale.variance])
    project = layers.Dense(familiar.directions.shape[1], use_bias=False, trainable=False, name="directions")
    along = project(offsets)
    project.set_weights([familiar.directions])
    within = ops.mean(ops.square(along / familiar.spreads[None]), axis=-1, keepdims=True) / familiar.usual_within
    away = ops.sum(ops.square(offsets), axis=-1, keepdims=True) - ops.sum(ops.square(along), axis=-1, keepdims=True)
    strangeness = ops.maximum(within, away / familiar.usual_away)
    labels = probabilities.shape[-1]
    belief = ops.maximum(ops.sigmoid(_STEEPNESS * (HALF_BELIEVED - strangeness)), _LEAST_BELIEVED / labels)
    mixed = belief * probabilities + (1.0 - belief) / labels
    return keras.Model(network.features.input, mixed, name="classifier")
