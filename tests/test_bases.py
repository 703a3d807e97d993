"""What models are built on: ImageNet networks, with what their pictures need before them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest

from watcher.errors import ModelError
from watcher.models import bases
from watcher.models.downloads import downloading
from watcher.models.package import import_keras
from watcher.models.preprocessing import preprocessed, with_preprocessing

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, 5, 4, 3)).astype(np.float32)


def families() -> list[str]:
    import_keras()
    from keras.src import applications

    found = {module.name for module in pkgutil.iter_modules(applications.__path__)}
    return sorted(name for name in found if name != "imagenet_utils" and not name.endswith("_test"))


@pytest.mark.parametrize("family", families())
def test_every_family_gets_what_it_was_trained_on(family: str) -> None:
    """The same as its own preprocess_input, to rounding."""
    keras = import_keras()
    module = importlib.import_module(f"keras.src.applications.{family}")
    pixels = keras.Input((5, 4, 3))
    ours = keras.Model(pixels, preprocessed(pixels, bases._MODES.get(family, "none")))
    assert np.allclose(ours(PIXELS), module.preprocess_input(PIXELS.copy()), atol=1e-4)


def test_every_application_is_a_base() -> None:
    """By its name in Keras, in lower case; lite0 comes first, for it needs no download."""
    names = bases.names()
    assert names[0] == "efficientnet-lite0"
    assert {"vgg16", "xception", "resnet50v2", "mobilenetv3small", "efficientnetv2b0"} <= set(names)
    for name in ("vgg16", "resnet50", "resnet50v2", "densenet121", "mobilenetv2"):
        family = bases._maker(name)[1]
        assert family == {"vgg16": "caffe", "resnet50": "caffe", "densenet121": "torch"}.get(name, "tf")


def test_a_network_with_its_preprocessing_takes_rgb() -> None:
    """And is itself where it needs none."""
    base = bases.build("vgg16", 32, "none")
    assert base.mode == "caffe"
    whole = with_preprocessing(base.network, base.mode)
    keras = import_keras()
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    wanted = base.network(keras.applications.vgg16.preprocess_input(pixels.copy()))
    assert np.allclose(whole(pixels), wanted, rtol=1e-3, atol=1e-4)
    assert with_preprocessing(base.network, "none") is base.network


def test_blocks_are_what_comes_out() -> None:
    """In their order; the blocks that we choose are layers of their base."""
    network = bases.build("vgg16", 32, "none", ("block5_conv3", "block3_conv3")).network
    assert [shape[-1] for shape in network.output_shape] == [512, 256]
    for name, style in bases.STYLES.items():
        assert len(bases.build(name, 96, "none", style.blocks).network.outputs) == len(style.blocks)


@pytest.mark.parametrize(("weights", "normalised"), [("imagenet", False), ("none", True)])
def test_what_learns_from_nothing_keeps_its_batch_normalisations(weights: str, normalised: bool) -> None:
    """Without them it would hardly learn; with ImageNet's weights they are merged into the convolutions."""
    base = bases.build(bases.LITE0, 64, weights)
    assert any(layer.name.endswith("_bn") for layer in base.network.layers) is normalised


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    """Without the top; one that holds others is refused with its name."""
    bases.build("mobilenetv3small", 32, "none").network.save_weights(tmp_path / "a.weights.h5")
    file = str(tmp_path / "a.weights.h5")
    one, other = (bases.build("mobilenetv3small", 64, file).network.get_weights() for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
    (tmp_path / "b.weights.h5").write_bytes(b"no weights")
    for base, name in (("mobilenet", "a.weights.h5"), ("mobilenet", "b.weights.h5")):
        with pytest.raises(ModelError, match=f"{name} does not hold weights of {base} without its top"):
            bases.build(base, 32, str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "side", "weights", "blocks", "said"),
    [
        ("vgg166", 64, "none", (), "there is no base vgg166: did you mean vgg16?"),
        ("zzz", 64, "none", (), "there is no base zzz: there are efficientnet-lite0, "),
        (
            "xception",
            32,
            "none",
            (),
            "xception cannot be built for pictures of 32 pixels: Input size must be at least 71",
        ),
        ("mobilenet", 32, "none", ("conv_pw_1_rely",), "mobilenet has no layer conv_pw_1_rely: perhaps conv_pw_1_relu"),
        ("mobilenet", 32, "none", ("zzz",), "mobilenet has no layer zzz: perhaps conv_"),
        ("mobilenet", 32, "/no/file.h5", (), '/no/file.h5: no such file of weights .or say "imagenet" or "none".'),
    ],
)
def test_what_cannot_be_built_is_one_line(
    name: str, side: int, weights: str, blocks: tuple[str, ...], said: str
) -> None:
    """With what would be right."""
    with pytest.raises(ModelError, match=said) as refused:
        bases.build(name, side, weights, blocks)
    assert "\n" not in str(refused.value)


def test_without_internet_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is printed into the command's own output."""
    keras = import_keras()

    def absent(*_: object, **__: object) -> None:
        sys.stdout.write("Downloading data")
        raise OSError("[Errno -3] Temporary failure in name resolution")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", absent)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.config, "keras_home", lambda: str(tmp_path), raising=False)
    with pytest.raises(ModelError) as refused:
        bases.build("mobilenetv3small", 64, "imagenet")
    assert str(refused.value).startswith("cannot get the ImageNet weights of mobilenetv3small (")
    assert "take the base efficientnet-lite0, which needs no download" in str(refused.value)


def test_downloads_print_nothing_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal they show their progress, on standard error."""
    with downloading():
        sys.stdout.write("10 %\n")
    assert capsys.readouterr() == ("", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        with downloading():
            sys.stdout.write("20 %\n")
    assert capsys.readouterr() == ("", "20 %\n")
