"""What a package holds beside the model: further files, what it was trained on, weights of half the size."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_registry import ABOUT, NOW, Bytes, install

from watcher.errors import ModelError
from watcher.models import imagenet
from watcher.models import package as packages
from watcher.models.halved import halve
from watcher.models.package import CARD, MODEL, TrainedOn, import_keras, load, read
from watcher.models.registry import Registry

if TYPE_CHECKING:
    import keras

    from watcher.models.package import Card

MADE = TrainedOn(data_digest="ab" * 32, pictures=420, groups=7, seed=3, settings={"epochs": 4, "flip": ["x", "y"]})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    return Registry(tmp_path / "models")


def test_a_card_tells_from_what_a_model_was_made(registry: Registry) -> None:
    """As it was given, and again after it was read; the settings are plain values."""
    package = registry.install("m", Bytes(b""), {**ABOUT, "positive_label": "yes", "trained_on": MADE}, NOW)
    assert package.card.positive_label == "yes"
    assert package.card.trained_on == MADE
    assert json.loads((package.folder / CARD).read_text())["trained_on"]["settings"] == MADE.settings


def test_a_card_of_an_earlier_watcher_is_read(registry: Registry) -> None:
    """What it could not say yet is not known."""
    install(registry)
    path = registry.root / "m/1" / CARD
    card = json.loads(path.read_text())
    path.write_text(json.dumps({key: card[key] for key in card.keys() - {"positive_label", "trained_on"}}))
    assert (registry.current("m").card.positive_label, registry.current("m").card.trained_on) == (None, None)


def test_a_positive_label_is_one_of_the_labels(registry: Registry) -> None:
    """Or nothing is stored."""
    with pytest.raises(ModelError, match="positive_label is 'maybe', which is none of the labels"):
        registry.install("m", Bytes(b""), {**ABOUT, "positive_label": "maybe"}, NOW)
    assert registry.versions("m") == []


@pytest.mark.parametrize("label", ["../x/b", "a/b", ".a", " ", "a\nb", "a\u202eb", "x" * 201])
def test_labels_name_folders_whatever_way_a_model_comes(registry: Registry, tmp_path: Path, label: str) -> None:
    """Stored anew, copied or read from a card that somebody wrote."""
    with pytest.raises(ModelError, match="cannot be a folder's name"):
        registry.install("m", Bytes(b""), {**ABOUT, "labels": ("yes", label)}, NOW)
    package = registry.install("m", Bytes(b""), dict(ABOUT), NOW)
    card = json.loads((package.folder / CARD).read_text())
    (package.folder / CARD).write_text(json.dumps(card | {"labels": ["yes", label]}))
    with pytest.raises(ModelError, match=r"model.json: not a model's card: labels: the label"):
        registry.current("m")


def test_labels_of_any_script_and_imagenets_are_well(registry: Registry) -> None:
    """Joiners, which Indic scripts and emoji need, too."""
    labels = (*imagenet.labels(), "क्\u200dष", "日本語", "2,5 µm", "a\u00a0b", "x" * 200)
    assert registry.install("m", Bytes(b""), {**ABOUT, "labels": labels}, NOW).card.labels == labels


def test_further_files_are_made_from_the_finished_card(registry: Registry) -> None:
    """A report can name the version and its digest."""

    def extras(card: Card) -> dict[str, bytes]:
        return {"report.html": f"{card.name}/{card.version} {card.digest[:8]}".encode()}

    package = registry.install("m", Bytes(b"abc"), ABOUT, NOW, extras=extras)
    assert (package.folder / "report.html").read_text() == "m/1 ba7816bf"


def test_a_further_file_cannot_take_the_model_s_place(registry: Registry) -> None:
    """Nothing is stored then, nor where making them fails."""
    with pytest.raises(ModelError, match="cannot store m"):
        registry.install("m", Bytes(b"abc"), ABOUT, NOW, extras=lambda _: {MODEL: b"other"})
    with pytest.raises(ZeroDivisionError):
        registry.install("m", Bytes(b"abc"), ABOUT, NOW, extras=lambda _: {"n": bytes(1 // 0)})
    assert registry.versions("m") == []
    assert not list(registry.root.rglob("*.tmp"))


def test_a_whole_package_is_copied(registry: Registry, tmp_path: Path) -> None:
    """All its files to the byte, under the new name and version; hidden ones and folders are nobody's affair."""
    elsewhere = Registry(tmp_path / "elsewhere")
    made = elsewhere.install("n", Bytes(b"abc"), ABOUT, NOW, extras=lambda _: {"metrics.json": b"{}", ".x": b""})
    (made.folder / "sub").mkdir()
    install(registry)
    package = registry.install_package("m", made, NOW, verified=True)
    assert {path.name for path in package.folder.iterdir()} == {MODEL, CARD, "metrics.json"}
    assert (package.folder / MODEL).read_bytes() == b"abc"
    changed = {"name": "m", "version": 2, "verified": True}
    assert package.card == made.card.model_copy(update=changed)
    assert registry.current("m") == package


def test_a_damaged_package_is_not_copied(registry: Registry, tmp_path: Path) -> None:
    """The fault names the file that is wrong."""
    elsewhere = Registry(tmp_path / "elsewhere")
    install(elsewhere)
    package = elsewhere.current("m")
    (package.folder / MODEL).write_bytes(b"other")
    with pytest.raises(ModelError, match=f"{package.folder / MODEL} was changed since it was stored"):
        registry.install_package("m", package, NOW)
    assert registry.names() == []


def test_a_copy_that_says_nonsense_is_not_stored(registry: Registry, tmp_path: Path) -> None:
    """A change to the card is checked as a card is."""
    elsewhere = Registry(tmp_path / "elsewhere")
    install(elsewhere)
    with pytest.raises(ModelError, match=r"cannot be stored: temperature: .* greater than 0"):
        registry.install_package("m", elsewhere.current("m"), NOW, temperature=0.0)


def test_a_package_is_copied_without_keras(tiny_package: packages.Package, tmp_path: Path) -> None:
    """A model that is shipped is there in no time."""
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from watcher.models.package import read; from watcher.models.registry import Registry\n"
        "package = Registry(Path(sys.argv[1])).install_package('m', read(Path(sys.argv[2])), datetime.now(UTC))\n"
        "assert 'keras' not in sys.modules; print(package.id)"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(tiny_package.folder)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "m/1\n"


def test_a_gpu_is_shared() -> None:
    """Whatever first uses Keras: no program takes all of its memory, unless a person has set it so."""
    script = (
        "import os; from watcher.models.package import import_keras; import_keras()\n"
        "print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'], os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "XLA_"))}
    chosen = kept | {"XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=chosen)
    assert done.stdout == "true true\n"


def trained() -> keras.Model:
    """Convolutions, a batch normalisation of tiny variances, a kernel that float16 cannot hold."""
    keras = import_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    pixels = keras.Input((24, 24, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(8, 3, name="small")(layers.RandomFlip()(x))
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.SeparableConv2D(8, 3, activation="relu")(x)
    x = layers.Dense(8, name="wide")(layers.GlobalAveragePooling2D()(x))
    x = layers.Rescaling(1e-5)(x)
    model = keras.Model(pixels, layers.Dense(3, activation="softmax")(layers.Dropout(0.2)(x)))
    model.get_layer("norm").moving_variance.assign([1e-9] * 8)
    model.get_layer("wide").kernel.assign(np.random.default_rng(0).normal(0, 7e4, (8, 8)))
    return model


def test_weights_of_half_the_size_give_the_same_answers(tmp_path: Path) -> None:
    """Same labels, scores within 1e-2, computed in float32; what float16 cannot hold is kept as it is."""
    model = trained()
    about: dict[str, Any] = {**ABOUT, "name": "m", "version": 1, "labels": ("a", "b", "c"), "input_size": (24, 24)}
    whole = packages.write(tmp_path / "whole", model, about, NOW)
    half = packages.write(tmp_path / "half", model, about, NOW, half=True)
    pixels = np.random.default_rng(2).integers(0, 256, (16, 24, 24, 3)).astype(np.float32)
    one, other = load(whole), load(read(half.folder))
    expected, found = (np.asarray(loaded(pixels, training=False)) for loaded in (one, other))
    assert (expected.argmax(axis=1) == found.argmax(axis=1)).all()
    assert np.abs(expected - found).max() < 1e-2
    assert np.abs(expected - found).max() > 0  # or nothing was halved
    pairs = [(a, b) for a, b in zip(one.weights, other.weights, strict=True) if a.dtype == "float32"]
    assert {b.dtype for _, b in pairs} == {"float32"}
    for a, b in pairs:
        kept = len(a.shape) < 2 or a.path.startswith("wide/")
        assert np.array_equal(np.asarray(a), np.asarray(b)) == kept, a.path


def test_halving_halves(tmp_path: Path) -> None:
    """A file of large kernels is hardly more than half as large, and whole again at any step."""
    keras = import_keras()
    pixels = keras.Input((16, 16, 3))
    keras.Model(pixels, keras.layers.Dense(64)(keras.layers.Flatten()(pixels))).save(tmp_path / MODEL)
    before = (tmp_path / MODEL).stat().st_size
    halve(tmp_path / MODEL)
    assert 0.3 * before < (tmp_path / MODEL).stat().st_size < 0.6 * before
    assert {path.name for path in tmp_path.iterdir()} == {MODEL}


def test_tensorflow_does_not_tell_a_person_of_retracing(caplog: pytest.LogCaptureFixture) -> None:
    """Networks that are used one after the other, as a training and the menu do, are each compiled once; other warnings stay."""
    keras = import_keras()
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for _ in range(8):
            pixels = keras.Input((2,))
            keras.Model(pixels, keras.layers.Dense(1)(pixels)).predict(np.zeros((1, 2)), verbose=0)
        logger.warning("the disk is full")
    finally:
        logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"the disk is full"}
