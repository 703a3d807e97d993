"""What all engines have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Engine(Protocol):
    """Runs a model. One thread at a time asks it."""

    name: str

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[batch, height, width, 3] uint8 RGB → [batch, labels] float32 probabilities."""
