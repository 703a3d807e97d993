"""Bringing a model from outside: what is taken, and why the rest is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from watcher.errors import ModelError
from watcher.models import imagenet, lite0
from watcher.models.importing import import_model
from watcher.models.package import CARD, MODEL, import_keras, load
from watcher.models.registry import Registry

if TYPE_CHECKING:
    import keras

    from watcher.models.package import Package

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NOISE = np.random.default_rng(3).integers(0, 256, (4, 16, 16, 3)).astype("float32")

Made = Callable[..., Path]


def flat(outputs: int, activation: str | None, *, scaled: bool = True) -> keras.Model:
    """A real model of one layer for pictures of 16 x 16."""
    keras = import_keras()
    keras.utils.set_random_seed(5)
    pixels = keras.Input((16, 16, 3))
    scale = keras.layers.Rescaling(1 / 255) if scaled else keras.layers.Identity()
    x = keras.layers.Flatten()(scale(pixels))
    return keras.Model(pixels, keras.layers.Dense(outputs, activation=activation)(x), name="flat")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    return Registry(tmp_path / "models")


@pytest.fixture
def saved(tmp_path: Path) -> Made:
    """Saves a model as a .keras file."""

    def save(model: keras.Model, name: str = "model.keras") -> Path:
        model.save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def labels(tmp_path: Path) -> Made:
    """Writes a file of labels."""

    def write(text: str) -> Path:
        (tmp_path / "labels.txt").write_text(text, "utf-8")
        return tmp_path / "labels.txt"

    return write


def bring(registry: Registry, path: Path, **options: Any) -> Package:
    return import_model(registry, options.pop("name", "mine"), path, NOW, **options)


def run(package: Package, pixels: np.ndarray = NOISE) -> np.ndarray:
    return np.asarray(load(package)(pixels, training=False))


def refused(registry: Registry, path: Path, **options: Any) -> str:
    """Why; one line, after which there is nothing in the registry."""
    name = options.get("name", "mine")
    with pytest.raises(ModelError) as fault:
        bring(registry, path, **options)
    assert "\n" not in str(fault.value)
    assert not registry.has(name)
    assert registry.versions(name) == []
    return str(fault.value)


def test_a_keras_model_with_its_labels_is_taken(registry: Registry, saved: Made, labels: Made) -> None:
    """The model is stored as it is, with its labels in their order, and is not vouched for."""
    model = flat(3, "softmax")
    package = bring(registry, saved(model), labels=labels("cat\n\n  dog \r\nÆrø hen"), resize="crop")
    assert package.card.labels == ("cat", "dog", "Ærø hen")
    assert package.card.input_size == (16, 16)
    assert package.card.resize == "crop"
    assert not package.card.verified
    assert package.card.weights == "model from model.keras, preprocessing none"
    assert run(package) == pytest.approx(np.asarray(model(NOISE)), abs=1e-6)


def test_labels_may_begin_with_a_byte_order_mark(registry: Registry, saved: Made, labels: Made) -> None:
    """Editors on Windows write one; it is no part of the first label."""
    assert bring(registry, saved(flat(2, "softmax")), labels=labels("\ufeffno\nyes")).card.labels == ("no", "yes")


def test_a_thousand_outputs_are_imagenets(registry: Registry, saved: Made) -> None:
    """A model of 1000 labels needs no file of them."""
    assert bring(registry, saved(flat(1000, "softmax"))).card.labels == imagenet.labels()


def test_a_single_sigmoid_becomes_two_labels(registry: Registry, saved: Made, labels: Made) -> None:
    """The first label gets 1 - p, the second p."""
    model = flat(1, "sigmoid")
    package = bring(registry, saved(model), labels=labels("uninfected\nparasitized"))
    assert package.card.labels == ("uninfected", "parasitized")
    p = np.asarray(model(NOISE))[:, 0]
    assert run(package) == pytest.approx(np.stack([1 - p, p], axis=1), abs=1e-6)


@pytest.mark.parametrize("mode", ["tf", "torch"])
def test_preprocessing_is_put_inside(registry: Registry, saved: Made, labels: Made, mode: Any) -> None:
    """A model that wants other pixels than RGB 0..255 gets Keras' own preprocessing before it, saved with it."""
    model = flat(2, "softmax", scaled=False)
    preprocess = import_keras().applications.imagenet_utils.preprocess_input
    expected = np.asarray(model(preprocess(NOISE.copy(), data_format="channels_last", mode=mode)))
    package = bring(registry, saved(model), labels=labels("a\nb"), preprocess=mode)
    assert run(package) == pytest.approx(expected, abs=1e-4)
    assert package.card.weights.endswith(f"preprocessing {mode}")


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb\nb\n", "a\nb\nc\nd\n", "", "\n \n"])
def test_labels_must_be_as_many_as_the_outputs_and_different(
    registry: Registry, saved: Made, labels: Made, text: str
) -> None:
    """Too few, too many or equal labels are counted against the model's."""
    said = refused(registry, saved(flat(3, "softmax")), labels=labels(text))
    assert f"has {len(set(text.split()))} different labels, but" in said
    assert said.endswith("model.keras tells 3 apart")


def test_labels_must_be_said_and_text(registry: Registry, saved: Made, tmp_path: Path) -> None:
    """Without labels it is said how to give them; a file that is no text is none of them."""
    assert refused(registry, saved(flat(3, "softmax"))).endswith("name them with --labels FILE, one a line, in order")
    (tmp_path / "binary").write_bytes(b"\x89PNG\xff\xfe")
    assert "cannot be read as text" in refused(registry, saved(flat(3, "softmax")), labels=tmp_path / "binary")


@pytest.mark.parametrize(("outputs", "activation"), [(3, None), (3, "sigmoid"), (3, "relu"), (1, "tanh"), (1, None)])
def test_outputs_that_are_no_probabilities_are_refused(
    registry: Registry, saved: Made, labels: Made, outputs: int, activation: str | None
) -> None:
    """Logits and independent sigmoids are no probabilities; what would be is said."""
    text = "a\nb" if outputs == 1 else "a\nb\nc"
    model = flat(outputs, activation)
    model.layers[-1].bias.assign([-3.0] * outputs)
    said = refused(registry, saved(model), labels=labels(text))
    assert "its outputs are no probabilities" in said
    assert "end the model with softmax, or say which --preprocess it needs" in said


def shaped(*shape: int | None, batch: int | None = None) -> keras.Model:
    keras = import_keras()
    pixels = keras.Input(batch_shape=(batch, *shape))
    x = pixels
    while len(x.shape) > 2:
        x = keras.ops.mean(x, axis=1)
    return keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(x))


@pytest.mark.parametrize("shape", [(None, None, 3), (16, None, 3), (16, 16, 1), (16, 16, 4), (3, 16, 16), (48,)])
def test_an_input_that_is_no_rgb_of_fixed_size_is_refused(
    registry: Registry, saved: Made, labels: Made, shape: tuple[int | None, ...]
) -> None:
    """Watcher must know to what size pictures are to be scaled."""
    said = refused(registry, saved(shaped(*shape)), labels=labels("a\nb"))
    assert f"its input is {(None, *shape)}, but Watcher gives (None, height, width, 3)" in said


def test_a_fixed_batch_is_refused(registry: Registry, saved: Made, labels: Made) -> None:
    """Batches have many sizes."""
    assert "its input is (1, 16, 16, 3)" in refused(registry, saved(shaped(16, 16, 3, batch=1)), labels=labels("a\nb"))


def test_more_inputs_or_outputs_are_refused(registry: Registry, saved: Made, labels: Made) -> None:
    """One picture in, one list of probabilities out."""
    keras = import_keras()
    one, two = flat(2, "softmax"), flat(2, "softmax")
    inputs = keras.Model([one.input, two.input], keras.layers.Average()([one.output, two.output]))
    assert "its input is [" in refused(registry, saved(inputs), labels=labels("a\nb"))
    outputs = keras.Model(one.input, [one.output, one.output])
    assert "its output is [" in refused(registry, saved(outputs), labels=labels("a\nb"))


def test_an_input_too_small_for_any_picture_is_refused(registry: Registry, saved: Made, labels: Made) -> None:
    """A model for 4 x 4 pixels is a mistake, and no traceback."""
    assert "input_size" in refused(registry, saved(shaped(4, 4, 3)), labels=labels("a\nb"))


def test_a_lambda_layer_is_refused_and_not_run(registry: Registry, saved: Made, labels: Made, tmp_path: Path) -> None:
    """A Python program inside a model file is never executed."""
    keras = import_keras()
    ran = tmp_path / "ran"
    name = str(ran)
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Lambda(lambda x: (open(name, "w").close(), x)[1], output_shape=(16, 16, 3))(pixels)
    path = saved(keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x))))
    ran.unlink(missing_ok=True)
    said = refused(registry, path, labels=labels("a\nb"))
    assert said == f"{path}: it has a Lambda layer, which is a program, and no program out of a file is ever run"
    assert not ran.exists()
    keras.saving.load_model(path, safe_mode=False)(NOISE)
    assert ran.exists()  # it was a real one


def test_a_layer_of_ones_own_is_refused_by_its_name(registry: Registry, saved: Made, labels: Made) -> None:
    """A model that needs somebody's Python class cannot be run, and says which."""
    keras = import_keras()

    class Wobble(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    model = flat(2, "softmax")
    said = refused(registry, saved(keras.Model(model.input, Wobble()(model.output))), labels=labels("a\nb"))
    assert "it needs the program of its own layer or function Wobble" in said


def test_files_that_are_no_model_are_refused(registry: Registry, saved: Made, tmp_path: Path) -> None:
    """Text named .keras, a damaged file, another name, an old .h5 model, an empty folder: each is told apart."""
    good = saved(flat(2, "softmax"))
    (tmp_path / "text.keras").write_text("hello")
    assert "is no .keras file" in refused(registry, tmp_path / "text.keras")
    (tmp_path / "half.keras").write_bytes(good.read_bytes()[:-500])
    assert "is no .keras file" in refused(registry, tmp_path / "half.keras")
    shutil.copy(good, tmp_path / "model.zip")
    assert "rename it to end in .keras" in refused(registry, tmp_path / "model.zip")
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "save the whole model with model.save('mine.keras')" in refused(registry, tmp_path / "old.h5")
    (tmp_path / "folder").mkdir()
    assert "is a folder without model.json" in refused(registry, tmp_path / "folder")


def test_a_package_is_taken_with_its_card(registry: Registry, saved: Made, labels: Made, tmp_path: Path) -> None:
    """A package's folder, from another home, keeps what its card says, under its new name and version."""
    first = bring(Registry(tmp_path / "elsewhere"), saved(flat(2, "softmax")), labels=labels("a\nb"), resize="crop")
    again = bring(registry, first.folder, name="other")
    assert again.id == "other/1"
    drop = {"name", "version", "digest", "libraries", "created_at"}
    assert again.card.model_dump(exclude=drop) == first.card.model_dump(exclude=drop)
    assert run(again) == pytest.approx(run(first), abs=1e-6)


def test_a_package_that_does_not_fit_together_is_refused(
    registry: Registry, saved: Made, labels: Made, tmp_path: Path
) -> None:
    """A card of other labels than the model has outputs, or a changed model, is no package."""
    folder = bring(Registry(tmp_path / "elsewhere"), saved(flat(2, "softmax")), labels=labels("a\nb")).folder
    card = (folder / CARD).read_text()
    (folder / CARD).write_text(card.replace('"a"', '"a", "c"'))
    assert f"{folder / CARD}: tells of 3 labels and an input of (16, 16)" in refused(registry, folder)
    (folder / CARD).write_text(card.replace("16", "17", 1))
    assert "tells of 2 labels and an input of (17, 16)" in refused(registry, folder)
    (folder / CARD).write_text(card)
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes() + b"\0")
    assert "was changed since it was stored" in refused(registry, folder)


def test_weights_that_give_no_numbers_are_refused(registry: Registry, tmp_path: Path) -> None:
    """One NaN among the weights would call every picture a goldfish."""
    model = lite0.build()
    weights = model.get_layer("logits").get_weights()
    weights[1][0] = float("nan")
    model.get_layer("logits").set_weights(weights)
    model.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(ModelError, match="its outputs are no probabilities"):
        import_model(registry, "efficientnet-lite0", tmp_path / "nan.weights.h5", NOW)
    assert registry.names() == []


@pytest.mark.parametrize("label", ["a/b", ".hidden", "bell\x07", "x" * 201])
def test_a_label_must_be_able_to_name_a_folder(registry: Registry, saved: Made, tmp_path: Path, label: str) -> None:
    """People correct a result by putting the picture into a folder of that name."""
    (tmp_path / "labels.txt").write_text(f"good\n{label}\n")
    with pytest.raises(ModelError, match="cannot be a folder's name"):
        import_model(registry, "m", saved(flat(2, "softmax")), NOW, labels=tmp_path / "labels.txt")


def test_a_sequential_sigmoid_is_taken(registry: Registry, saved: Made, tmp_path: Path) -> None:
    """The commonest model of two labels: what it gives is the second label's probability."""
    keras = import_keras()
    layers = keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, "sigmoid")
    model = keras.Sequential(layers)
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    package = import_model(registry, "m", saved(model), NOW, labels=tmp_path / "labels.txt")
    both = np.asarray(load(package)(NOISE))
    assert np.allclose(both[:, 1:], np.asarray(model(NOISE)), atol=1e-6)
    assert np.allclose(both.sum(axis=1), 1, atol=1e-6)
