"""Where a fit stands, on disk after every epoch, so that a stopped run goes on there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from watcher.models.durable import replace_text, sync
from watcher.training.history import Epoch

if TYPE_CHECKING:
    import keras


class Standing(BaseModel):
    """What has been done: the epochs, and which of them was the best."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")  # losses of a fit that went astray

    history: tuple[Epoch, ...] = ()
    best: int | None = None
    finished: bool = False
    chance: tuple[tuple[int, ...], ...] = ()
    """Where the model's random numbers stand: Keras keeps them in variables, but not with the weights."""

    @property
    def best_loss(self) -> float:
        return min((epoch.validation_loss for epoch in self.history), default=float("inf"))

    @property
    def since_best(self) -> int:
        return 0 if self.best is None else len(self.history) - 1 - self.best


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Files of one fit in the run's folder: its standing, and weights of its last and of its best epoch.

    The weights are written first, under a name of their epoch; the standing that names them replaces the
    older one at once; what nothing names any more is removed last. A crash at any point leaves a whole one.
    """

    folder: Path
    name: str

    @property
    def _standing(self) -> Path:
        return self.folder / f"{self.name}.json"

    def _weights(self, kind: str, epoch: int) -> Path:
        return self.folder / f"{self.name}-{kind}-{epoch}.weights.h5"

    def standing(self) -> Standing:
        try:
            return Standing.model_validate_json(self._standing.read_text("utf-8"))
        except FileNotFoundError:
            return Standing()

    def save_best(self, standing: Standing, model: keras.Model) -> None:
        """Keeps the weights of the epoch that `standing` calls the best; `save` then makes them count."""
        assert standing.best is not None
        self._store(model, self._weights("best", standing.best))

    def save(self, standing: Standing, model: keras.Model) -> None:
        """Keeps `model` with its optimizer as the last epoch's, and the standing."""
        last = self._weights("last", len(standing.history) - 1)
        self._store(model, last)
        chance = tuple(tuple(map(int, state.numpy())) for state in _chance(model))
        self._write(standing.model_copy(update={"chance": chance}))
        kept = {last} if standing.best is None else {last, self._weights("best", standing.best)}
        for path in self.folder.glob(f"{self.name}-*.weights.h5"):
            if path not in kept:
                path.unlink()

    def finish(self, standing: Standing) -> None:
        self._write(standing.model_copy(update={"finished": True}))

    def restore(self, model: keras.Model) -> None:
        """The last epoch's weights and optimizer into `model`, which is compiled and built as it was then."""
        standing = self.standing()
        if standing.history:
            model.load_weights(self._weights("last", len(standing.history) - 1))
            for state, value in zip(_chance(model), standing.chance, strict=False):
                state.assign(value)

    def restore_best(self, model: keras.Model) -> None:
        best = self.standing().best
        if best is not None:
            model.load_weights(self._weights("best", best))

    def _store(self, model: keras.Model, path: Path) -> None:
        model.save_weights(path)
        sync(path)

    def _write(self, standing: Standing) -> None:
        replace_text(self._standing, standing.model_dump_json())


def _chance(model: keras.Model) -> list[keras.Variable]:
    return [variable for variable in model.non_trainable_variables if variable.name == "seed_generator_state"]
