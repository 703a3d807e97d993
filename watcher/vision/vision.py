"""A model with eyes: takes the bytes of files, gives labels. The unit that scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watcher.errors import ModelError
from watcher.models.engines.graph import HeatEngine
from watcher.models.engines.kept import kept
from watcher.models.engines.opening import open_engine, open_heat_engine
from watcher.vision.decode import decode, fit
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from watcher.models.engines.engine import Engine
    from watcher.models.package import Package
    from watcher.settings import EngineName

TOP = 5


class Vision:
    """Loads and warms a model once; then `decode` in any thread, `classify` in one.

    The engine auto is what the trials on this machine have chosen, or where there were none the exact one. With `heat`,
    what is classified says where the model looked, too. Raises ModelError if the package is damaged, its scores are no
    numbers, or engine or model cannot tell heat.
    """

    def __init__(
        self, package: Package, engine: EngineName, batch_size: int, max_megapixels: float, *, heat: bool = False
    ) -> None:
        self.package = package
        if choice := kept(package, batch_size) if engine == "auto" else None:
            engine = choice.taken(heat=heat)
        self.engine: Engine = open_heat_engine(package, engine) if heat else open_engine(package, engine)
        self._max_megapixels = max_megapixels
        self._batch_size = batch_size
        self._sizes = batch_sizes(batch_size)
        self._labels = np.asarray(package.card.labels, dtype=object)
        height, width = package.card.input_size
        tried = self.engine.predict(np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8))
        if not np.isfinite(tried).all():
            raise ModelError(f"{package.id} gives no numbers, for its weights are damaged: fetch or import it again")

    @property
    def tells_heat(self) -> bool:
        """Whether what it classifies says where the model looked."""
        return isinstance(self.engine, HeatEngine)

    def __call__(self, files: Sequence[bytes]) -> list[Classified | Failed]:
        """The outcomes of encoded pictures, in their order."""
        pictures = [self.decode(data) for data in files]
        readable = [picture for picture in pictures if isinstance(picture, Picture)]
        found = iter(self.classify([picture.pixels for picture in readable]))
        return [picture if isinstance(picture, Failed) else next(found) for picture in pictures]

    def decode(self, data: bytes) -> Picture | Failed:
        """One picture at full size and at the model's."""
        image = decode(data, self._max_megapixels)
        return image if isinstance(image, Failed) else Picture(image, fit(image, self.package.card))

    def classify(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Classified]:
        """The best labels of any number of pictures, [height, width, 3] uint8 each."""
        return [outcome for batch in self._batches(pictures) for outcome in self._classified(*self._run(batch))]

    def _classified(self, scores: NDArray[np.float32], heat: NDArray[np.float32] | None) -> Iterator[Classified]:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        for place, (row, order) in enumerate(zip(scores, best, strict=True)):
            labels = tuple((str(self._labels[i]), float(row[i])) for i in order)
            yield Classified(labels, None if heat is None else heat[place])

    def scores(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """The calibrated probability of every label, [pictures, labels], in the order of the card's labels."""
        found = [self._run(batch)[0] for batch in self._batches(pictures)]
        return np.concatenate(found) if found else np.empty((0, len(self._labels)), np.float32)

    def _batches(self, pictures: Sequence[NDArray[np.uint8]]) -> Iterator[Sequence[NDArray[np.uint8]]]:
        return (pictures[start : start + self._batch_size] for start in range(0, len(pictures), self._batch_size))

    def _run(self, pictures: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Scores and, if it was asked for, heat of at most one batch."""
        # Padded to one of a few sizes, so that nothing is compiled or planned anew for each.
        size = next(size for size in self._sizes if size >= len(pictures))
        batch = np.zeros((size, *pictures[0].shape), np.uint8)
        np.stack(pictures, out=batch[: len(pictures)])
        engine = self.engine
        scores, heat = engine.look(batch) if isinstance(engine, HeatEngine) else (engine.predict(batch), None)
        mine = slice(len(pictures))
        return calibrated(scores[mine], self.package.card.temperature), None if heat is None else heat[mine]


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The sizes that batches are padded to: powers of two, and the largest."""
    return (*(1 << power for power in range(largest.bit_length()) if 1 << power < largest), largest)


def calibrated(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [batch, labels] sharpened or softened (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    if temperature == 1.0:
        return scores
    logits = np.log(np.clip(scores, 1e-12, 1.0)) / temperature
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)
