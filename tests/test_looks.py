"""A finished model that looks at a picture and at its mirrored and turned images."""

from __future__ import annotations

from pathlib import Path

import homes
import numpy as np
import pytest
import trainings

from watcher.models.engines.opening import open_engine
from watcher.models.registry import Registry
from watcher.training import familiarity
from watcher.training.network import Network, build, outputs
from watcher.training.probe import Head, Scale
from watcher.training.recipe import Recipe

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
MIRRORED = {2: [PIXELS, PIXELS[:, :, ::-1]], 4: [PIXELS, PIXELS[:, :, ::-1], PIXELS[:, ::-1], PIXELS[:, ::-1, ::-1]]}
MIRRORED[8] = MIRRORED[4] + [pixels.transpose(0, 2, 1, 3) for pixels in MIRRORED[4]]


@pytest.fixture(scope="module")
def network() -> Network:
    """With weights that are chance's, to which every side of a picture is another."""
    made = build(Recipe(**(trainings.SMALL | {"blocks": ("conv", "expanded_conv_project")})), 2)
    width = made.features.output_shape[1]
    seen = outputs(made.features, PIXELS)
    made.set_head(Scale.of(seen), Head(RANDOM.normal(0, 1, (width, 2)).astype(np.float32), np.zeros(2, np.float32)))
    return made


@pytest.mark.parametrize("looks", [2, 4, 8])
def test_scores_are_the_mean_over_mirror_images(network: Network, tmp_path: Path, looks: int) -> None:
    """Those of the model that looks once; also when it was kept in a package, loaded in safe mode and frozen."""
    seen = outputs(network.features, PIXELS)
    familiar = familiarity.learn(seen, seen, 1)
    once = familiarity.finished(network, familiar, 1)
    each = [outputs(once, np.ascontiguousarray(pixels)) for pixels in MIRRORED[looks]]
    assert max(np.abs(one - each[0]).max() for one in each[1:]) > 1e-3  # or the mean shows nothing
    model = familiarity.finished(network, familiar, looks)
    assert np.allclose(outputs(model, PIXELS), np.mean(each, axis=0), atol=1e-5)
    card = {
        "labels": ("a", "b"),
        "input_size": (32, 32),
        "resize": "squash",
        "base": "b",
        "weights": "w",
        "verified": False,
    }
    package = Registry(tmp_path).install("m", model, card, homes.NOON)
    assert np.allclose(open_engine(package, "graph").predict(PIXELS), np.mean(each, axis=0), atol=1e-4)
