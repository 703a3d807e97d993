"""Vision: from the bytes of files to labels, in order, whatever the batches."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded
from PIL import Image

from watcher.errors import ModelError
from watcher.models.engines.graph import GraphEngine
from watcher.models.engines.opening import open_engine
from watcher.models.engines.plain import KerasEngine
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.vision.outcome import Classified, Failed, Picture
from watcher.vision.vision import TOP, Vision, batch_sizes, calibrated

if TYPE_CHECKING:
    from watcher.models.package import Package

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def noise(count: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def file(label: str, form: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (20, 12), COLOURS[label]), form)


def scores_of(outcomes: list[Classified]) -> np.ndarray:
    return np.array([[score for _, score in sorted(outcome.predictions)] for outcome in outcomes])


@pytest.fixture(scope="module")
def deep_package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A model of seven labels with the layers that behave differently in training: dropout, batch normalization."""
    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1)(pixels)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(x))
    x = layers.Dropout(0.5)(layers.GlobalMaxPooling2D()(x))
    model = keras.Model(pixels, layers.Dense(7, activation="softmax")(x))
    card = {
        "labels": tuple("abcdefg"),
        "input_size": (24, 16),
        "resize": "crop",
        "base": "deep",
        "weights": "random",
        "verified": False,
    }
    return Registry(tmp_path_factory.mktemp("deep")).install("deep", model, card, datetime.now(UTC))


def test_files_become_labels_in_order(tiny_vision: Vision) -> None:
    """Each file gets the outcome at its place; a broken one among them is a value and disturbs no other."""
    files = [file("blue"), b"no picture", file("red", "JPEG"), b"", file("green", "GIF"), file("red", "BMP")]
    outcomes = tiny_vision(files)
    firsts = [outcome.predictions[0][0] if isinstance(outcome, Classified) else None for outcome in outcomes]
    assert firsts == ["blue", None, "red", None, "green", "red"]
    assert outcomes[1] == Failed("it is text, not a picture in JPEG, PNG, WebP, TIFF, BMP or GIF")
    assert outcomes[3] == Failed("the file is empty")


def test_no_pictures_are_no_outcomes(tiny_vision: Vision) -> None:
    """Nothing in, nothing out, and files that are all broken need no model."""
    assert tiny_vision([]) == []
    assert tiny_vision.classify([]) == []
    assert all(isinstance(outcome, Failed) for outcome in tiny_vision([b"", b"text"]))


def test_scores_are_probabilities_best_first(tiny_vision: Vision) -> None:
    """The scores of all labels sum to one and fall."""
    for outcome in tiny_vision.classify(noise(5)):
        scores = [score for _, score in outcome.predictions]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1, abs=1e-5)


def test_a_decoded_picture_keeps_its_size(tiny_vision: Vision) -> None:
    """Decoding gives the picture at full size, for the copy, and at the model's."""
    picture = tiny_vision.decode(file("red"))
    assert isinstance(picture, Picture)
    assert (picture.width, picture.height) == picture.image.size == (20, 12)
    assert picture.pixels.shape == (16, 16, 3)


def test_the_cap_on_pixels_is_the_settings(tiny_package: Package) -> None:
    """A picture of more megapixels than the model was opened with is refused."""
    vision = Vision(tiny_package, "keras", 1, max_megapixels=0.0001)
    assert isinstance(vision.decode(file("red")), Failed)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scores_do_not_depend_on_the_batch(deep_package: Package, engine: str) -> None:
    """The same pictures get the same scores, to 1e-4, in batches of any size, full or padded."""
    pictures = noise(11, 24)[:, :, :16]
    alone = Vision(deep_package, engine, 1, 1).classify(pictures)
    for batch_size in (2, 3, 8, 11, 32):
        together = Vision(deep_package, engine, batch_size, 1).classify(pictures)
        for one, other in zip(alone, together, strict=True):
            assert [label for label, _ in one.predictions] == [label for label, _ in other.predictions]
            assert [s for _, s in one.predictions] == pytest.approx([s for _, s in other.predictions], abs=1e-4)


def test_the_graph_and_keras_agree(deep_package: Package) -> None:
    """Both engines give the same scores to 1e-4, and none trains while it predicts."""
    pixels = noise(6, 24)[:, :, :16]
    graph, keras = open_engine(deep_package, "graph"), open_engine(deep_package, "keras")
    assert (graph.name, keras.name) == ("graph", "keras")
    assert isinstance(graph, GraphEngine)
    assert isinstance(keras, KerasEngine)
    assert np.abs(graph.predict(pixels) - keras.predict(pixels)).max() < 1e-4
    assert (graph.predict(pixels) == graph.predict(pixels)).all()
    assert graph.predict(pixels).shape == (6, 7)


def test_auto_is_the_graph_on_tensorflow(tiny_vision: Vision, tiny_package: Package) -> None:
    """Where TensorFlow is the backend, the frozen graph is taken."""
    assert open_engine(tiny_package, "auto").name == tiny_vision.engine.name == "graph"


def test_the_model_sees_only_a_few_sizes(tiny_package: Package) -> None:
    """Batches are padded to powers of two or the largest, so that nothing is compiled anew for each."""
    vision = Vision(tiny_package, "graph", 12, 1)
    engine, seen = vision.engine, []

    class Counting:
        name = "counting"

        def predict(self, pixels: np.ndarray) -> np.ndarray:
            seen.append(len(pixels))
            return engine.predict(pixels)

    vision.engine = Counting()
    for count in range(1, 30):
        assert len(vision.classify(noise(count))) == count
    assert set(seen) == {1, 2, 4, 8, 12}


@given(st.integers(1, 1024))
def test_some_size_is_large_enough(largest: int) -> None:
    """Every batch has a size to be padded to that is less than twice its own; there are few of them."""
    sizes = batch_sizes(largest)
    assert list(sizes) == sorted(set(sizes))
    assert sizes[-1] == largest
    assert len(sizes) <= 11
    for count in range(1, largest + 1):
        assert count <= next(size for size in sizes if size >= count) < 2 * count + (count == 1)


def test_only_the_first_labels_are_kept(deep_package: Package) -> None:
    """Of seven labels the best five are named."""
    outcome = Vision(deep_package, "graph", 1, 1).classify(noise(1, 24)[:, :, :16])[0]
    assert len(outcome.predictions) == TOP == 5


def test_temperature_softens_and_sharpens(tiny_package: Package) -> None:
    """A card's temperature changes how sure the model is, not which label is first."""
    pictures = noise(4)
    plain, soft, sharp = (
        Vision(replace(tiny_package, card=tiny_package.card.model_copy(update={"temperature": t})), "graph", 4, 1)
        for t in (1.0, 3.0, 0.3)
    )
    for cool, warm, hot in zip(*(v.classify(pictures) for v in (sharp, plain, soft)), strict=True):
        assert cool.predictions[0][0] == warm.predictions[0][0] == hot.predictions[0][0]
        assert cool.predictions[0][1] > warm.predictions[0][1] > hot.predictions[0][1]


def test_calibration_divides_the_logits() -> None:
    """Softmax of logits, calibrated at T, is softmax of logits / T; at 1 nothing changes; certainty stays finite."""
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 9.0]])
    softmax = lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)  # noqa: E731
    scores = softmax(logits).astype(np.float32)
    assert calibrated(scores, 2.5) == pytest.approx(softmax(logits / 2.5), abs=1e-5)
    assert calibrated(scores, 1.0) is scores
    certain = calibrated(np.array([[1.0, 0.0, 0.0]], np.float32), 2.0)
    assert np.isfinite(certain).all()
    assert certain.sum() == pytest.approx(1)


def test_threads_may_decode_while_one_classifies(tiny_vision: Vision) -> None:
    """Pictures decoded in many threads get the labels of one thread."""
    files = [file(label, form) for label in COLOURS for form in ("PNG", "JPEG", "GIF", "WEBP")] * 3
    alone = tiny_vision(files)
    with ThreadPoolExecutor(6) as pool:
        pictures = list(pool.map(tiny_vision.decode, files))
    together = tiny_vision.classify([picture.pixels for picture in pictures if isinstance(picture, Picture)])
    assert scores_of(together) == pytest.approx(scores_of(alone), abs=1e-4)


def test_another_backend_runs_through_keras(tiny_package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a backend that is not TensorFlow auto is Keras, with the same scores, and the graph is refused by name."""
    expected = open_engine(tiny_package, "graph").predict(noise(3))
    monkeypatch.setattr(import_keras().backend, "backend", lambda: "jax")  # which is not installed here
    assert open_engine(tiny_package, "auto").name == "keras"
    assert open_engine(tiny_package, "auto").predict(noise(3)) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(
        ModelError, match='the engine graph runs on TensorFlow, and Keras is set to jax: use engine = "keras"'
    ):
        open_engine(tiny_package, "graph")


def without(module: str, backend: str) -> str:
    """What a process says that has no such module and wants Keras on a backend."""
    code = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from watcher.errors import ModelError\n"
        "from watcher.models.package import import_keras\n"
        "try:\n    import_keras()\n"
        "except ModelError as fault:\n    print(fault)\n"
    )
    env = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def test_a_missing_backend_is_one_clear_line() -> None:
    """Keras that cannot be loaded is a fault with a message, not a traceback; without any, what to install is said."""
    assert without("jax", "numpy").startswith("Keras cannot be loaded with the backend numpy: ")
    assert "pip install 'watcher[cpu]'" in without("x", "no_such_backend")


def test_a_changed_model_is_not_run(tiny_package: Package, tmp_path: Path) -> None:
    """A model file that is not the one of its card is refused before Keras sees it."""
    folder = tmp_path / "tiny" / "1"
    folder.mkdir(parents=True)
    for path in tiny_package.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes() + (b" " if path.suffix == ".keras" else b""))
    with pytest.raises(ModelError, match=r"model\.keras was changed since it was stored"):
        Vision(replace(tiny_package, folder=folder), "graph", 1, 1)
