"""Fetching built-in models and giving them weights from a file: checked, or said to be unchecked, or refused."""

from __future__ import annotations

import gc
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from watcher.errors import ModelError
from watcher.models import downloads as keras_downloads
from watcher.models import imagenet
from watcher.models.builtin import BUILT_IN, BuiltIn, fetch
from watcher.models.importing import import_model
from watcher.models.package import import_keras, load
from watcher.models.registry import Registry

if TYPE_CHECKING:
    import keras

NOW = datetime(2026, 1, 2, tzinfo=UTC)
XCEPTION = "xception_weights_tf_dim_ordering_tf_kernels.h5"

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    return Registry(tmp_path / "models")


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras' cache, empty; the loopback is reached without a proxy."""
    import_keras()
    folder = tmp_path / "keras"
    folder.mkdir()
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@contextmanager
def host(answer: Answer) -> Iterator[str]:
    """A host of weights that answers every request as told; gives the address of a file there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that they are waited for
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{XCEPTION}"
        server.shutdown()


def sends(data: bytes, length: int | None = None) -> Answer:
    """Sends bytes, perhaps fewer than were announced."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data) if length is None else length))
        request.end_headers()
        request.wfile.write(data)

    return answer


def small(weights: Path | None) -> keras.Model:
    """A classifier of 1000 labels with few weights."""
    keras = import_keras()
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(1, 8, name="look")(pixels))
    model = keras.Model(pixels, keras.layers.Dense(1000, activation="softmax", name="predictions")(x), name="small")
    if weights:
        model.load_weights(weights)
    return model


def a_small_one(origin: str, md5: str | None = None) -> BuiltIn:
    """A built-in whose weights Keras downloads and checks, as it does Xception's, but small."""

    def build(weights: Path | None) -> keras.Model:
        hashed = {"file_hash": md5} if md5 else {}
        return small(weights or Path(import_keras().utils.get_file(XCEPTION, origin, cache_subdir="models", **hashed)))

    return BuiltIn(build, {"input_size": (8, 8), "resize": "crop", "base": "small"}, "its download", XCEPTION, md5)


@pytest.fixture
def old_weights(tmp_path: Path) -> Path:
    """Weights in Keras' old HDF5 format, in which its downloads are."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    path = tmp_path / "given" / XCEPTION
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, small(None))
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def no_download(registry: Registry, name: str = "xception") -> str:
    """Why a model cannot be fetched, in one line; nothing half-made stays."""
    with pytest.raises(ModelError) as fault:
        fetch(registry, name, NOW)
    said = str(fault.value)
    assert "\n" not in said
    assert f"get {XCEPTION} from Keras, bring it here" in said
    assert f"`watcher models import {name} {XCEPTION}`" in said
    assert "efficientnet-lite0, which needs no download" in said
    assert not registry.root.exists()
    return said


def test_a_model_that_nobody_knows_cannot_be_fetched(registry: Registry) -> None:
    """What can be fetched is listed, and what to do with one's own model."""
    with pytest.raises(
        ModelError, match=r"\(efficientnet-lite0, malaria, xception\): bring it with `watcher models import yolo PATH`"
    ):
        fetch(registry, "yolo", NOW)


def test_without_internet_it_is_said_what_to_bring(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Xception where nothing answers: the file wanted and the command to import it; standard output stays clean."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/{XCEPTION}"
    monkeypatch.setattr("keras.src.applications.xception.WEIGHTS_PATH", address)
    assert "cannot download the weights of xception" in no_download(registry)
    assert capsys.readouterr().out == ""


def test_a_false_download_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are not Xception's weights do not become a model, now or at the next try."""
    with host(sends(b"not the weights" * 99)) as address:
        monkeypatch.setattr("keras.src.applications.xception.WEIGHTS_PATH", address)
        assert "Incomplete or corrupted" in no_download(registry)
        assert "Incomplete or corrupted" in no_download(registry)
    assert capsys.readouterr().out == ""


def refuses(request: BaseHTTPRequestHandler) -> None:
    request.send_error(503, "Try later")


def says_nothing(request: BaseHTTPRequestHandler) -> None:
    request.connection.settimeout(60)
    request.rfile.read(1)  # until the other side has had enough


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", [refuses, sends(b"half", 4000), says_nothing])
def test_a_download_that_breaks_off_leaves_nothing(
    registry: Registry, downloads: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """A host that refuses, breaks off or says no more: the same one line, and no half file in Keras' cache."""
    monkeypatch.setattr(keras_downloads, "TIMEOUT_SECONDS", 0.5)
    before = socket.getdefaulttimeout()
    with host(answer) as address:
        monkeypatch.setitem(BUILT_IN, "small", a_small_one(address, "0" * 32))
        no_download(registry, "small")
    assert [path for path in downloads.rglob("*") if path.is_file()] == []
    assert socket.getdefaulttimeout() == before
    gc.collect()  # Keras leaves the connection of a refusal to the collector


def test_a_good_download_is_a_verified_model(
    registry: Registry, old_weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has the right sum is stored, current and verified; it is not downloaded twice."""
    with host(sends(old_weights.read_bytes())) as address:
        monkeypatch.setitem(BUILT_IN, "small", a_small_one(address, md5(old_weights)))
        card = fetch(registry, "small", NOW).card
    assert (card.labels, card.verified, card.weights) == (imagenet.labels(), True, "its download")
    assert registry.current("small").card.version == 1
    assert fetch(registry, "small", NOW).card.version == 2  # with the host gone
    assert capsys.readouterr().out == ""


def test_weights_with_the_sum_of_the_download_are_verified(
    registry: Registry, old_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that Keras would download may be brought by hand; another file is as good, but unverified."""
    monkeypatch.setitem(BUILT_IN, "small", a_small_one("http://127.0.0.1:1/", md5(old_weights)))
    package = import_model(registry, "small", old_weights, NOW)
    assert package.card.verified
    assert package.card.weights == f"weights from {XCEPTION}"
    with old_weights.open("ab") as file:
        file.write(b"\0")
    assert not import_model(registry, "small", old_weights, NOW).card.verified
    monkeypatch.setitem(BUILT_IN, "small", a_small_one("http://127.0.0.1:1/", None))
    assert not import_model(registry, "small", old_weights, NOW).card.verified


def test_weights_of_another_network_are_refused(registry: Registry, old_weights: Path, tmp_path: Path) -> None:
    """Weights that are not Xception's, in the new format or the old, or no weights at all, are refused in one line."""
    small(None).save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "weights.bin").write_bytes(old_weights.read_bytes())
    for path in (old_weights, tmp_path / "other.weights.h5", tmp_path / "text.h5", tmp_path / "weights.bin"):
        with pytest.raises(ModelError) as fault:
            import_model(registry, "xception", path, NOW)
        assert str(fault.value).startswith(f"{path} does not hold weights of xception: ")
        assert "\n" not in str(fault.value)
    assert not registry.root.exists()


def test_a_network_that_lacks_its_last_layer_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights without the classifier, such as Keras' "notop" files, do not leave random ones in its place."""
    model = small(None)
    import_keras().Model(model.input, model.layers[-2].output).save_weights(tmp_path / "notop.weights.h5")
    monkeypatch.setitem(BUILT_IN, "small", a_small_one("http://127.0.0.1:1/"))
    with pytest.raises(ModelError, match="does not hold weights of small"):
        import_model(registry, "small", tmp_path / "notop.weights.h5", NOW)


def test_lite0_is_fetched_from_its_wheel_and_takes_weights(registry: Registry, tmp_path: Path) -> None:
    """efficientnet-lite0 needs no download and is verified; with weights from a file it is not, but answers alike."""
    first = fetch(registry, "efficientnet-lite0", NOW)
    assert (first.card.verified, first.card.base, len(first.card.labels)) == (True, "efficientnet-lite0", 1000)
    model = load(first)
    model.save_weights(tmp_path / "mine.weights.h5")
    second = import_model(registry, "efficientnet-lite0", tmp_path / "mine.weights.h5", NOW)
    assert (second.id, second.card.verified) == ("efficientnet-lite0/2", False)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype("float32")
    assert np.asarray(load(second)(pixels)) == pytest.approx(np.asarray(model(pixels)), abs=1e-6)
