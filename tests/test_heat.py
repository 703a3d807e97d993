"""Heat: where in a picture a model found what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import homes
import numpy as np
import pytest
from PIL import Image

from watcher.errors import ModelError
from watcher.models.engines import kept
from watcher.models.engines.graph import GraphEngine, HeatEngine
from watcher.models.engines.kept import Choice, Trial
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.vision.annotate import ACCENT, annotate
from watcher.vision.decode import fit, seen_of
from watcher.vision.heatmap import LEGEND, HeatMap
from watcher.vision.outcome import Classified
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    import keras

    from watcher.models.package import Package

SIDE = 32
# Reds are label 0, blues label 1.
RED, BLUE, GRAY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def sees_colours(pool: str = "average", *, looks: int = 1) -> keras.Model:
    """A model whose maps are how red and how blue each quarter of an edge is, and whose labels are what there is more of."""
    keras = import_keras()
    layers = keras.layers
    pixels = keras.Input((SIDE, SIDE, 3))
    colours = layers.Conv2D(2, 4, strides=4, activation="relu", name="colours")
    maps = colours(layers.Rescaling(1 / 255)(pixels))
    pooling = {"average": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flat": layers.Flatten}
    head = layers.Dense(2, activation="softmax", name="head")
    once = keras.Model(pixels, head(pooling[pool]()(maps)))
    kernel = np.zeros((4, 4, 3, 2), np.float32)
    kernel[..., 0, 0] = kernel[..., 2, 1] = 1 / 16
    kernel[..., 1, :] = -1 / 16  # gray is neither
    colours.set_weights([kernel, np.zeros(2, np.float32)])
    width = head.kernel.shape[0]
    weights = 20 * np.tile(np.eye(2, dtype=np.float32), (width // 2, 1)) / (width // 2)
    head.set_weights([weights, np.zeros(2, np.float32)])
    if looks == 1:
        return once
    again = keras.Input((SIDE, SIDE, 3))
    return keras.Model(again, layers.Average()([once(again), once(again[:, :, ::-1]), once(again[:, ::-1])]))


def with_patch(colour: tuple[int, int, int], left: int, top: int, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    picture = Image.new("RGB", size, GRAY)
    picture.paste(colour, (left, top, left + 8, top + 8))
    return picture


def pixels(*pictures: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])


@pytest.fixture
def package(tmp_path: Path) -> Package:
    card = {
        "labels": ("red", "blue"), "input_size": (SIDE, SIDE), "resize": "crop", "crop_share": 1.0,
        "base": "test", "weights": "none", "verified": True,
    }  # fmt: skip
    return Registry(tmp_path / "models").install("colours", sees_colours(), card, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("pool", ["average", "max", "flat"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_heat_is_where_the_label_is_whatever_pools_the_maps(pool: str, precision: Any) -> None:
    pictures = pixels(with_patch(RED, 0, 0), with_patch(BLUE, 24, 8))
    scores, heat = HeatEngine(sees_colours(pool), precision).look(pictures)
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert heat.shape == (2, 8, 8)
    assert heat.dtype == np.float32
    for each, (top, left) in zip(heat, [(0, 0), (2, 6)], strict=True):
        assert each.max() == pytest.approx(1)
        patch = each[top : top + 2, left : left + 2]
        assert patch.max() == each.max()
        assert each.sum() == pytest.approx(patch.sum(), abs=1e-3), "nothing else speaks for the label"


def test_of_the_two_labels_in_a_picture_only_the_best_is_warm() -> None:
    picture = with_patch(RED, 0, 0)
    picture.paste(RED, (0, 16, 8, 24))
    picture.paste(BLUE, (16, 16, 24, 24))
    heat = HeatEngine(sees_colours()).look(pixels(picture))[1][0]
    assert heat[0, 0] == heat[4, 0] == pytest.approx(1)
    assert heat[4:6, 4:6].max() == 0


def test_a_model_that_also_looks_at_mirrored_pictures_is_warm_where_the_picture_is_as_it_came() -> None:
    heat = HeatEngine(sees_colours(looks=3)).look(pixels(with_patch(RED, 0, 24)))[1][0]
    assert heat[6:8, 0:2].min() > 0.9
    assert heat.sum() == pytest.approx(heat[6:8, 0:2].sum(), abs=1e-3)


def test_a_picture_in_which_nothing_speaks_for_the_label_is_cold() -> None:
    scores, heat = HeatEngine(sees_colours()).look(pixels(Image.new("RGB", (SIDE, SIDE), GRAY)))
    assert np.isfinite(scores).all()
    assert heat.max() == 0


def test_scores_are_those_of_the_engine_without_heat() -> None:
    pictures = pixels(with_patch(RED, 0, 0), with_patch(BLUE, 24, 8))
    model = sees_colours()
    np.testing.assert_array_equal(HeatEngine(model).look(pictures)[0], GraphEngine(model).predict(pictures))


def test_of_several_blocks_that_a_head_looks_at_all_are_heard() -> None:
    """The coarse block finds red, the fine one blue; both speak for the only label that there is."""
    keras = import_keras()
    layers = keras.layers
    source = keras.Input((SIDE, SIDE, 3))
    scaled = layers.Rescaling(1 / 255)(source)
    fine = layers.Conv2D(1, 2, strides=2, activation="relu", name="fine")
    coarse = layers.Conv2D(1, 8, strides=8, activation="relu", name="coarse")
    pooled = layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(fine(scaled)), layers.GlobalMaxPooling2D()(coarse(scaled))]
    )
    head = layers.Dense(2, activation="softmax", name="head")
    model = keras.Model(source, head(pooled))
    for layer, channel in ((fine, 2), (coarse, 0)):
        kernel = np.full(layer.kernel.shape, -0.5 / layer.kernel.shape[0] ** 2, np.float32)
        kernel[..., channel, :] = 1 / layer.kernel.shape[0] ** 2
        layer.set_weights([kernel, np.zeros(1, np.float32)])
    head.set_weights([np.array([[4, -4], [4, -4]], np.float32), np.zeros(2, np.float32)])
    picture = with_patch(RED, 0, 0)
    picture.paste(BLUE, (24, 24, 32, 32))
    heat = HeatEngine(model).look(pixels(picture))[1][0]
    assert heat.shape == (16, 16)
    assert heat[0:3, 0:3].max() > 0.3
    assert heat[12:, 12:].max() > 0.3
    assert heat[8, 8] == 0


def test_where_nothing_comes_before_the_pooling_the_picture_itself_is_the_map() -> None:
    keras = import_keras()
    source = keras.Input((8, 8, 3))
    model = keras.Model(source, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(source)))
    assert HeatEngine(model).look(np.zeros((1, 8, 8, 3), np.uint8))[1].shape == (1, 8, 8)


def test_a_model_that_nothing_can_be_gone_back_through_is_refused_with_what_to_do() -> None:
    keras = import_keras()
    source = keras.Input((8, 8, 3))
    seen = keras.ops.stop_gradient(keras.layers.GlobalAveragePooling2D()(source))
    model = keras.Model(source, keras.layers.Dense(2, activation="softmax")(seen))
    with pytest.raises(ModelError, match=r"no heat map can be drawn of this model.*leave heatmap off"):
        HeatEngine(model)


def test_vision_tells_heat_only_where_it_is_asked_for(package: Package) -> None:
    picture = [pixels(with_patch(RED, 0, 0))[0]]
    assert Vision(package, "graph", 4, 1).classify(picture)[0].heat is None
    vision = Vision(package, "graph", 4, 1, heat=True)
    outcomes = vision.classify(picture * 6)
    assert [outcome.heat is not None and outcome.heat.shape for outcome in outcomes] == [(8, 8)] * 6
    assert vision.engine.name == "graph"
    np.testing.assert_allclose(vision.scores(picture), Vision(package, "graph", 4, 1).scores(picture), atol=1e-6)


def test_heat_needs_an_engine_that_can_tell_it(package: Package) -> None:
    with pytest.raises(ModelError, match='the engine keras draws no heat maps: set engine = "auto"'):
        Vision(package, "keras", 4, 1, heat=True)


def test_of_the_engines_that_were_tried_the_fastest_that_tells_heat_is_taken(package: Package) -> None:
    trials = (
        Trial("graph", 10.0, 1.0, 0.0),
        Trial("graph-bfloat16", 20.0, 1.0, 0.01),
        Trial("graph-float16", 40.0, 0.5, 0.2, "it gives another label"),
        Trial("openvino-bfloat16", 30.0, 1.0, 0.01),
    )
    kept.keep(package, 4, Choice("openvino-bfloat16", trials, "2026-01-01T00:00:00+00:00"))
    assert Vision(package, "auto", 4, 1, heat=True).engine.name == "graph-bfloat16"


def test_heat_is_drawn_over_what_the_model_saw_and_nowhere_else(package: Package) -> None:
    """Of a wide picture a model that crops sees the middle."""
    wide = with_patch(RED, 24 + 8, 8, (SIDE + 48, SIDE))
    box = seen_of(wide.size, package.card)
    assert box == (24, 0, 56, 32)
    outcome = Vision(package, "graph", 1, 1, heat=True).classify([fit(wide, package.card)])[0]
    assert isinstance(outcome, Classified)
    assert outcome.heat is not None
    copy = annotate(wide, outcome.predictions, "colours/1", heat=HeatMap(outcome.heat, box))
    changed = np.any(np.asarray(copy)[:SIDE, : wide.width] != np.asarray(wide), axis=-1)
    assert changed[10:14, 34:38].all()
    assert not changed[:, :24].any()
    assert not changed[:, 56:].any()
    assert not changed[24:, :].any()


def test_a_copy_without_heat_shows_the_picture_pixel_for_pixel_and_one_with_heat_says_what_warm_means() -> None:
    picture = with_patch(RED, 0, 0)
    plain = annotate(picture, [("red", 0.9)], "m/1")
    assert np.array_equal(np.asarray(plain)[:SIDE, :SIDE], np.asarray(picture))
    cold = HeatMap(np.zeros((8, 8), np.float32), (0, 0, SIDE, SIDE))
    told = annotate(picture, [("red", 0.9)], "m/1", heat=cold)
    assert np.array_equal(np.asarray(told)[:SIDE, :SIDE], np.asarray(picture))
    assert np.array_equal(np.asarray(told), np.asarray(annotate(picture, [("red", 0.9)], f"m/1, {LEGEND}")))
    assert not np.array_equal(np.asarray(plain), np.asarray(told))


def test_a_copy_of_a_doubtful_result_says_so_and_has_no_bar_of_full_colour() -> None:
    picture, labels = with_patch(RED, 0, 0), [("red", 0.9), ("blue", 0.1)]
    sure, doubtful = annotate(picture, labels, "m/1"), annotate(picture, labels, "m/1", doubtful=True)
    assert np.all(np.asarray(sure) == ACCENT, axis=-1).any()
    assert not np.all(np.asarray(doubtful) == ACCENT, axis=-1).any()
    note = np.asarray(annotate(picture, labels, "needs review, m/1"))[-14:]
    assert np.array_equal(np.asarray(doubtful)[-14:], note)


def test_a_strip_too_long_for_a_panel_gets_its_heat() -> None:
    strip = Image.new("RGB", (200_000, 1), GRAY)
    hot = HeatMap(np.ones((1, 2), np.float32), (0, 0, 200_000, 1))
    assert annotate(strip, [("a", 1.0)], heat=hot).getpixel((5, 0)) != GRAY


def copies_with_heat(home: homes.Home) -> set[str]:
    """The pictures whose copies show anything but the picture above the panel."""
    warm = set()
    for row in homes.rows(home):
        assert row.outbox_path
        original, copy = Image.open(home.done / row.path), Image.open(home.root / row.outbox_path)
        part = copy.convert("RGB").crop((0, 0, *original.size))
        if not np.array_equal(np.asarray(part), np.asarray(original.convert("RGB"))):
            warm.add(row.path)
    return warm


def png(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)


@pytest.mark.parametrize(
    ("heatmap", "warm"), [(True, {"a.png", "cells/b.png"}), (["cells"], {"cells/b.png"}), (False, set())]
)
def test_the_daemon_draws_heat_for_the_routes_that_ask_for_it(
    tmp_path: Path, package: Package, heatmap: Any, warm: set[str]
) -> None:
    models = {"default": "colours", "routes": {"cells": "colours"}}
    home = homes.make(tmp_path / "home", tmp_path / "models", models=models, annotate={"heatmap": heatmap})
    png(with_patch(RED, 0, 0), home.inbox / "a.png")
    png(with_patch(BLUE, 8, 8), home.inbox / "cells/b.png")
    homes.run_once(home)
    assert copies_with_heat(home) == warm


def test_a_picture_of_known_content_gets_the_same_copy_and_stays_a_duplicate(tmp_path: Path, package: Package) -> None:
    home = homes.make(
        tmp_path / "home", tmp_path / "models", models={"default": "colours", "routes": {}}, annotate={"heatmap": True}
    )
    png(with_patch(RED, 0, 0), home.inbox / "first.png")
    homes.run_once(home)
    for name in ("second.png", "third.png"):
        png(with_patch(RED, 0, 0), home.inbox / name)
    homes.run_once(home)
    assert {row.path: row.state for row in homes.rows(home)} == {
        "first.png": "done", "second.png": "duplicate", "third.png": "duplicate",
    }  # fmt: skip
    assert copies_with_heat(home) == {"first.png", "second.png", "third.png"}
