"""Views of pictures, their features, and the cache that a stopped training goes on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trainings

from watcher.errors import ModelError
from watcher.training import features as module
from watcher.training import precision
from watcher.training.augment import augmenter
from watcher.training.features import cached_features
from watcher.training.mapped import Rows
from watcher.training.network import build, outputs
from watcher.training.recipe import Augment, Recipe

PIXELS = np.random.default_rng(0).integers(0, 256, (150, 8, 8, 3), np.uint8)


def nothing(done: int, total: int) -> None:
    """Nobody looks on."""


def means(side: int = 8):
    """A network whose features are the colours' means."""
    from watcher.models.package import import_keras

    keras = import_keras()
    pixels = keras.Input((side, side, 3))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))


def cached(folder: Path, monkeypatch: pytest.MonkeyPatch, *, dies_after: int | None = None) -> tuple[np.ndarray, int]:
    """Features of three views, and how many batches were computed for them."""
    computed = 0

    def counted(model, inputs):
        nonlocal computed
        if computed == dies_after:
            raise KeyboardInterrupt
        computed += 1
        return outputs(model, inputs)

    monkeypatch.setattr(module, "outputs", counted)
    augment = augmenter(Augment(flip="both", rotation=0.5, colour=0.1), 8, 1)
    return cached_features(means(), augment, PIXELS, 3, folder / "f.npy", nothing), computed


def test_what_was_computed_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was cut short is gone on with, and comes to the same, chance included."""
    (tmp_path / "whole").mkdir()
    whole, batches = cached(tmp_path / "whole", monkeypatch)
    assert (whole.shape, whole.dtype, batches) == ((3, 150, 3), np.float16, 9)
    assert np.allclose(whole[0], PIXELS.mean(axis=(1, 2)), atol=0.1)
    assert np.abs(whole[1] - whole[2]).mean() > 1
    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, monkeypatch, dies_after=4)
    assert json.loads((tmp_path / "f.json").read_text()) == 150 + 64
    resumed, batches = cached(tmp_path, monkeypatch)
    assert batches == 5
    assert np.array_equal(resumed, whole)
    assert cached(tmp_path, monkeypatch)[1] == 0


def test_what_float16_cannot_hold_is_cut(tmp_path: Path) -> None:
    """Features are finite, however large the activations are."""
    from watcher.models.package import import_keras

    keras = import_keras()
    pixels = keras.Input((8, 8, 3))
    large = keras.Model(pixels, keras.layers.GlobalMaxPooling2D()(keras.layers.Rescaling(1e9)(pixels)))
    found = cached_features(large, augmenter(Augment(), 8, 1), PIXELS[:3], 1, tmp_path / "f.npy", nothing)
    assert np.isfinite(found).all()


def test_views_differ_and_stay_pictures() -> None:
    """From 0 to 255, the same for the same seed; where nothing may be changed nothing is."""
    every = Augment(flip="both", rotation=0.5, zoom=0.2, brightness=0.3, contrast=0.4, colour=0.3, fill="black")
    pixels = PIXELS[:8].astype(np.float32)
    one, same, other = (np.asarray(augmenter(every, 8, seed)(pixels, training=True)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert np.abs(one - other).mean() > 5
    assert np.abs(one - pixels).mean() > 5
    assert one.min() >= 0 and one.max() <= 255
    nothing_changed = Augment(flip="none", rotation=0, zoom=0, brightness=0, contrast=0)
    assert np.array_equal(np.asarray(augmenter(nothing_changed, 8, 1)(pixels, training=True)), pixels)


def test_each_colour_is_changed_by_itself() -> None:
    """By about as much as asked, the whole picture alike."""
    colour = Augment(flip="none", rotation=0, zoom=0, brightness=0, contrast=0, colour=0.1)
    grey = np.full((400, 8, 8, 3), 100, np.float32)
    changed = np.asarray(augmenter(colour, 8, 1)(grey, training=True)) / 100
    factors = changed[:, 0, 0]
    assert np.allclose(changed, factors[:, None, None])
    assert factors.std() == pytest.approx(0.1, abs=0.02)
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.2


def test_every_block_gives_its_mean_and_its_maximum() -> None:
    """Of a frozen base, under the weights of its seed; the head's logits are float32 whatever the base computes in."""
    recipe = Recipe(**(trainings.SMALL | {"blocks": ("conv", "nowhere")}))
    with pytest.raises(ModelError, match="mobilenetv3small has no layer nowhere"):
        build(recipe, 2)
    recipe = recipe.model_copy(update={"blocks": ("conv", "conv_1")})
    network = build(recipe, 2, "mixed_bfloat16")
    assert network.features.output_shape == (None, 2 * (16 + 576))
    assert network.base.trainable_variables == []
    found = outputs(network.features, np.zeros((3, 32, 32, 3), np.uint8))
    assert found.dtype == np.float32
    assert (found[:, 16:32] >= found[:, :16]).all()
    assert network.joined().compute_dtype == network.head.get_layer("logits").compute_dtype == "float32"
    again = build(recipe, 2).base.get_weights()
    assert all(np.array_equal(*pair) for pair in zip(network.base.get_weights(), again, strict=True))


def test_the_precision_is_what_the_recipe_says_or_the_faster_that_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 must be faster, and must give the same features."""
    assert precision.policy(Recipe(precision="float32"), PIXELS) == "float32"
    assert precision.policy(Recipe(precision="float16"), PIXELS) == "mixed_float16"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    assert precision.policy(Recipe(**(trainings.SMALL | {"precision": "auto"})), pixels) in (
        "float32",
        "mixed_bfloat16",
    )
    features = np.random.default_rng(0).normal(size=(4, 9))
    notes: list[str] = []
    for seconds, other, wanted, why in (
        (0.5, features * 1.001, "mixed_bfloat16", "in bfloat16, 2.0 times as fast here"),
        (0.95, features, "float32", "bfloat16 is not faster here"),
        (0.5, features + 1, "float32", "bfloat16 would change what it sees"),
    ):
        timed = {"float32": (1.0, features), "mixed_bfloat16": (seconds, other)}
        monkeypatch.setattr(precision, "_timed", lambda name, *_, timed=timed: timed[name])
        assert precision.policy(Recipe(), pixels, notes.append) == wanted
        assert why in notes[-1]


def test_one_slow_moment_does_not_choose_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of three timings counts."""
    times = iter([0.0, 9.0, 10.0, 10.5, 20.0, 29.0])
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(precision, "build", lambda *_: type("Network", (), {"features": means()}))
    seconds, found = precision._timed("float32", Recipe(), PIXELS[:3])
    assert seconds == 0.5
    assert np.allclose(found, PIXELS[:3].mean(axis=(1, 2)), atol=0.1)


def test_features_of_some_rows_are_those_of_a_copy(tmp_path: Path) -> None:
    """Rows of a file are read as they are needed, in any order."""
    chosen = np.array([9, 3, 140, 77])
    rows = Rows(PIXELS, chosen)
    assert len(rows) == 4 and np.array_equal(rows[1:3], PIXELS[[3, 140]])
    assert np.array_equal(rows[np.array([3, 0])], PIXELS[[77, 9]])
    found = cached_features(means(), augmenter(Augment(), 8, 1), rows, 1, tmp_path / "f.npy", nothing)
    assert np.allclose(found[0], PIXELS[chosen].mean(axis=(1, 2)), atol=0.1)
