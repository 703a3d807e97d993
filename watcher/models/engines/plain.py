"""Keras itself, on whatever backend it was set to (`KERAS_BACKEND`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


class KerasEngine:
    """The model as it is: slower than the others, and there wherever Keras is."""

    name = "keras"

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self._model.predict_on_batch(pixels.astype(np.float32)), np.float32)
