"""The second phase: what is trained on, what is kept, and how it goes on after a stop."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watcher.errors import DataError
from watcher.models.package import import_keras
from watcher.training import probe
from watcher.training.augment import augmenter
from watcher.training.checkpoint import Checkpoint, Standing
from watcher.training.fitting import Fit, fit
from watcher.training.history import Epoch
from watcher.training.lesson import Lesson, judged, targets_of
from watcher.training.network import Network, head, outputs
from watcher.training.recipe import Augment, FineTune, Recipe
from watcher.training.tuning import tuning, unfreeze

SIDE = 8
RANDOM = np.random.default_rng(0)
TRUTH = np.arange(16) % 2
PIXELS = (RANDOM.integers(0, 60, (16, SIDE, SIDE, 3)) + 150 * TRUTH[:, None, None, None]).astype(np.uint8)
LESSON = Lesson(PIXELS, targets_of(TRUTH, 2, 0.0), np.ones(16, np.float32), PIXELS, TRUTH)


def small() -> Network:
    """A network of six layers, always with the same weights."""
    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    x = pixels = keras.Input((SIDE, SIDE, 3))
    for filters in (4, 4, 6):
        x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(x)))
    base = keras.Model(pixels, x)
    base.trainable = False
    pixels = keras.Input((SIDE, SIDE, 3))
    features = layers.GlobalAveragePooling2D()(base(pixels, training=False))
    network = Network(base, keras.Model(pixels, features), head(6, 2, 0.3, 1))
    scale = probe.Scale(np.zeros(6, np.float32), np.ones(6, np.float32))
    network.set_head(scale, probe.Head(np.full((6, 2), 0.01, np.float32), np.zeros(2, np.float32)))
    return network


def plan(**changes: Any) -> tuple[Network, Fit]:
    settings = {"epochs": 3, "batch_size": 6, "learning_rate": 1e-2, "averaging": 0.5} | changes
    recipe = Recipe(fine_tune=FineTune(**settings))
    network = small()
    return network, tuning(network, augmenter(recipe.augment, SIDE, 1), LESSON, recipe, "float32")


def nothing(done: int, total: int) -> None:
    """Nobody looks on."""


def test_only_the_top_is_trained(tmp_path: Path) -> None:
    """Below it nothing changes, not even the statistics of a batch normalisation."""
    network, todo = plan(epochs=1, top=0.5)
    weighted = [layer for layer in network.base.layers if layer.weights]
    before = [layer.get_weights() for layer in weighted]
    told: list[tuple[int, int]] = []
    fit(todo, Checkpoint(tmp_path, "t"), lambda *done: told.append(done))
    changed = [
        any(not np.array_equal(*pair) for pair in zip(old, layer.get_weights(), strict=True))
        for old, layer in zip(before, weighted, strict=True)
    ]
    assert changed == [False] * 3 + [True] * 3
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(("top", "trained"), [(0.0, 0), (1.0, 1)])
def test_nothing_or_all_of_the_base_can_be_trained(top: float, trained: int) -> None:
    """The head is in any case."""
    network = small()
    unfreeze(network.base, top)
    weighted = [layer for layer in network.base.layers if layer.weights]
    assert sum(layer.trainable for layer in weighted) == trained * len(weighted)
    assert len(network.head.trainable_variables) == 2


def test_a_stopped_fit_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    """As one that never was; the averages of the best epoch are what is kept."""
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    network, todo = plan()
    whole = fit(todo, Checkpoint(tmp_path / "whole", "t"), nothing)
    wanted = network.joined().get_weights()
    for epochs in (1, 3):
        network, todo = plan()

        def stop(done: int, total: int, epochs: int = epochs) -> None:
            if done > epochs * 2:
                raise KeyboardInterrupt

        try:
            found = fit(todo, Checkpoint(tmp_path / "stopped", "t"), stop)
        except KeyboardInterrupt:
            assert epochs == 1
    assert [epoch.number for epoch in found.history] == [1, 2, 3]
    for one, other in zip(whole.history, found.history, strict=True):
        assert one.validation_loss == pytest.approx(other.validation_loss, abs=1e-4)
    for one, other in zip(wanted, network.joined().get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_the_averages_are_what_is_validated_and_kept(tmp_path: Path) -> None:
    """Without averaging, the weights themselves."""
    _, todo = plan(epochs=5, averaging=0.5)
    fit(todo, Checkpoint(tmp_path, "t"), nothing, best=False)
    averages = [variable.numpy() for variable in todo.model.optimizer._model_variables_moving_average]
    for weights, average in zip(todo.model.trainable_variables, averages, strict=True):
        assert np.array_equal(weights.numpy(), average)
    _, todo = plan(epochs=1, averaging=0)
    assert not todo.model.optimizer.use_ema


def test_an_average_is_no_longer_than_the_steps_allow() -> None:
    """Or most of it would be the weights that a short training began with."""
    assert plan(epochs=50, averaging=0.9)[1].model.optimizer.ema_momentum == pytest.approx(0.9)
    assert plan(epochs=10, averaging=0.99)[1].model.optimizer.ema_momentum == pytest.approx(0.75)


@cache
def weight():
    keras = import_keras()
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model


class Scripted:
    """A fit whose validation losses are given; the weight of its model is the number of its epoch."""

    def __init__(self, losses: list[float], patience: int = 9) -> None:
        self.model = model = weight()
        model.set_weights([np.zeros((1, 1))])
        self.losses = losses
        batch = (np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), np.ones(1, np.float32))
        self.plan = Fit(
            phase="p",
            model=model,
            kept=model,
            batches=lambda epoch: self.batch(epoch, batch),
            steps=1,
            validate=self.validate,
            truth=np.zeros(1, np.int64),
            epochs=len(losses),
            patience=patience,
        )

    def batch(self, epoch: int, batch: Any):
        self.epoch = epoch
        yield batch

    def validate(self) -> np.ndarray:
        self.model.set_weights([np.full((1, 1), self.epoch)])
        loss = self.losses[self.epoch]
        return np.array([[0.0, np.log(np.expm1(loss))]], np.float32)  # whose cross-entropy is the loss

    def fit(self, folder: Path) -> Standing:
        return fit(self.plan, Checkpoint(folder, "t"), nothing)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    """Of the epochs that there are until patience ends; no other weights stay on disk than those that are needed."""
    scripted = Scripted([0.5, 0.2, 0.4, 0.3, 0.1], patience=2)
    standing = scripted.fit(tmp_path)
    assert [round(epoch.validation_loss, 3) for epoch in standing.history] == [0.5, 0.2, 0.4, 0.3]
    assert standing.best == 1
    assert scripted.model.get_weights()[0].item() == 1
    assert {path.name for path in tmp_path.iterdir()} == {"t.json", "t-best-1.weights.h5", "t-last-3.weights.h5"}
    again = Scripted([9.0])
    assert again.fit(tmp_path).history == standing.history
    assert again.model.get_weights()[0].item() == 1


def test_a_fit_that_goes_astray_ends_with_what_to_do(tmp_path: Path) -> None:
    """It cannot come back, and what it was before is not passed off as its result."""
    with pytest.raises(DataError, match="p went astray in epoch 2: lower its learning_rate"):
        Scripted([0.5, math.nan, math.inf]).fit(tmp_path)
    worst = Standing(history=(Epoch("p", 1, 0.0, math.nan, math.inf, 0.5),))
    assert math.isnan(Standing.model_validate_json(worst.model_dump_json()).history[0].loss)


def test_a_crash_between_any_two_writes_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next fit goes on, and ends as if nothing had been."""
    from watcher.training import checkpoint

    class Crashed(BaseException):
        pass

    def before(name: str, place: Any):
        real = getattr(place, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Crashed
            return real(*args, **kwargs)

        monkeypatch.setattr(place, name, step)

    left = 0
    before("replace_text", checkpoint)
    before("sync", checkpoint)
    before("unlink", Path)
    losses = [0.5, 0.2, 0.4]
    for number in range(1, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        left = number
        try:
            Scripted(losses).fit(folder)
        except Crashed:
            left = 0
            scripted = Scripted(losses)
            standing = scripted.fit(folder)
            assert [round(epoch.validation_loss, 3) for epoch in standing.history] == losses
            assert scripted.model.get_weights()[0].item() == standing.best == 1
        else:
            break
    assert 10 < number < 39


def test_a_last_part_of_a_batch_is_left_for_other_epochs() -> None:
    """Batches are whole, other pictures each epoch, and the same ones when an epoch is done again."""
    _, todo = plan()
    first, again, second = ([batch[0] for batch in todo.batches(epoch)] for epoch in (0, 0, 1))
    assert [len(batch) for batch in first] == [6, 6]
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(first[0], second[0])
    few = replace(LESSON, inputs=PIXELS[:3], targets=LESSON.targets[:3])
    assert tuning(small(), augmenter(Augment(), SIDE, 1), few, Recipe(), "float32").steps == 1


def test_what_is_validated_is_what_is_kept(tmp_path: Path) -> None:
    """The network gives the loss that its best epoch is said to have."""
    network, todo = plan(epochs=2)
    standing = fit(todo, Checkpoint(tmp_path, "t"), nothing)
    loss, _ = judged(outputs(network.joined(), PIXELS), TRUTH)
    assert float(loss.mean()) == pytest.approx(standing.best_loss, abs=1e-5)
