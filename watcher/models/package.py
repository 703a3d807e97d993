"""A model package: a folder with a Keras model that takes RGB 0..255, and what must be known to use it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import logging
import os
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from watcher import __version__
from watcher.errors import ModelError, NoTensorFlow
from watcher.models.halved import halve
from watcher.models.labels import label_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras

MODEL = "model.keras"
CARD = "model.json"
# Backends would take all of a GPU for themselves, which a daemon and a training share; and TensorFlow greets.
# They read this when they are loaded or first compute; what a person has set stays.
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
# Whose versions are noted beside Keras' and its backend's: each has a part in what a model learns and says.
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pillow")

Resize = Literal["squash", "crop"]


class TrainedOn(BaseModel):
    """From what a model was made, for whoever must make it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_digest: str
    """SHA-256 over the pictures, as hexadecimal text."""
    pictures: Annotated[int, Field(ge=0)]
    groups: Annotated[int, Field(ge=0)]
    seed: int
    settings: dict[str, Any]


class Card(BaseModel):
    """`model.json`. Pixels are uint8 RGB 0..255 of `input_size` (height, width), made by `resize`.

    squash: the whole picture, its sides scaled apart. crop: the shorter side is scaled to
    `input_size / crop_share` and the middle cut out, as ImageNet models are commonly evaluated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: Annotated[int, Field(ge=1)]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    positive_label: str | None = None
    """Of two labels the one that sensitivity speaks of, such as the illness."""
    wordnet_ids: tuple[str, ...] | None = None
    """ImageNet's names of the labels, for models that tell its 1000 classes apart."""
    input_size: tuple[Annotated[int, Field(ge=8, le=4096)], Annotated[int, Field(ge=8, le=4096)]]
    resize: Resize
    crop_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    base: str
    weights: str
    verified: bool
    temperature: Annotated[float, Field(gt=0)] = 1.0
    review_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    trained_on: TrainedOn | None = None
    digest: str
    libraries: dict[str, str]
    created_at: datetime

    @field_validator("labels")
    @classmethod
    def _name_folders(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if fault := label_fault(label):
                raise ValueError(fault)
        return labels

    @model_validator(mode="after")
    def _positive_is_a_label(self) -> Self:
        if self.positive_label is not None and self.positive_label not in self.labels:
            raise ValueError(f"positive_label is {self.positive_label!r}, which is none of the labels")
        return self


@dataclass(frozen=True, slots=True)
class Package:
    """A package on disk."""

    folder: Path
    card: Card

    @property
    def id(self) -> str:
        return f"{self.card.name}/{self.card.version}"


def read(folder: Path) -> Package:
    """The package in `folder`, its card checked, its model not yet loaded. Raises ModelError."""
    try:
        text = (folder / CARD).read_text("utf-8")
        return Package(folder, Card.model_validate_json(text))
    except OSError as fault:
        raise ModelError(f"{folder / CARD}: cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ModelError(f"{folder / CARD}: not a model's card: it is not text") from fault
    except ValidationError as fault:
        raise ModelError(f"{folder / CARD}: not a model's card: {_first(fault)}") from fault


def write(folder: Path, model: keras.Model, card: dict[str, Any], now: datetime, *, half: bool = False) -> Package:
    """Saves a model and its card into `folder`, which is made; digest and library versions are added.

    With `half`, weights are float16 on the disk: half the size, scores within 1e-2. The digest is
    of the file as it then is. Raises ModelError if the card says what no card may.
    """
    folder.mkdir(0o700, parents=True)
    path = folder / MODEL
    model.save(path)
    if half:
        halve(path)
    return _described(folder, card | {"digest": digest_of(path), "libraries": libraries(), "created_at": now})


def copy(package: Package, folder: Path, **changes: Any) -> Package:
    """Copies all files of a package into `folder`, which is made; `changes` are made to its card.

    Nothing is loaded, so no Keras is needed. Raises ModelError if the model file is not the one that the card
    describes, and OSError.
    """
    check_digest(package)
    folder.mkdir(0o700, parents=True)
    for path in package.folder.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copyfile(path, folder / path.name)
    return _described(folder, package.card.model_dump() | changes)


def _described(folder: Path, card: dict[str, Any]) -> Package:
    try:
        full = Card(**card)
    except ValidationError as fault:
        raise ModelError(f"the model cannot be stored: {_first(fault)}") from fault
    (folder / CARD).write_text(full.model_dump_json(indent=1) + "\n", "utf-8")
    return Package(folder, full)


def load(package: Package) -> keras.Model:
    """The Keras model of a package, in safe mode: no code out of the file is run.

    Raises ModelError if it is not the one that the card describes.
    """
    check_digest(package)
    model = load_keras(package.folder / MODEL)
    card = package.card
    if (model.input_shape, model.output_shape) != ((None, *card.input_size, 3), (None, len(card.labels))):
        raise ModelError(
            f"{package.folder / CARD}: tells of {len(card.labels)} labels and an input of {card.input_size}, but the "
            f"model has the input {model.input_shape} and the output {model.output_shape}"
        )
    return model


def check_digest(package: Package) -> None:
    """Raises ModelError unless the model file is the one that the card describes."""
    path = package.folder / MODEL
    try:
        digest = digest_of(path)
    except OSError as fault:
        raise ModelError(f"{package.id}: {path} cannot be read: {fault.strerror}") from fault
    if digest != package.card.digest:
        raise ModelError(
            f"{package.id}: {path} was changed since it was stored (its digest is {digest[:12]}…, "
            f"not {package.card.digest[:12]}…); fetch or import the model again"
        )


def is_whole(package: Package) -> bool:
    """Whether the model file is there and is the one that the card describes."""
    try:
        check_digest(package)
    except ModelError:
        return False
    return True


def load_keras(path: Path) -> keras.Model:
    """Any `.keras` file, in safe mode. Raises ModelError with the reason if Keras refuses it."""
    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as fault:  # Keras raises whatever the file's faults happen to hit
        raise ModelError(f"{path}: {_refusal(str(fault)) or f'Keras refuses it: {first_line(fault)}'}") from fault


def _refusal(complaint: str) -> str | None:
    """Why a model holds what would need code from elsewhere; None if that is not what Keras complains of."""
    if "`Lambda` layer" in complaint:
        return "it has a Lambda layer, which is a program, and no program out of a file is ever run"
    if unknown := re.search(r"Could not locate (?:class|function) '([^']+)'", complaint):
        return f"it needs the program of its own layer or function {unknown[1]}: only what is in Keras itself is run"
    return None


def require_backend() -> None:
    """Raises NoTensorFlow if Keras, or the backend that it is set to, is not installed. Imports neither."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if not all(importlib.util.find_spec(name) for name in ("keras", backend)):
        raise NoTensorFlow


def import_keras() -> Any:
    """The keras module. Raises NoTensorFlow if there is no backend for it, ModelError if it cannot be loaded."""
    if "keras" not in sys.modules:
        require_backend()
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            with _silence():
                importlib.import_module("keras")
        except ImportError as fault:
            backend = os.environ.get("KERAS_BACKEND", "tensorflow")
            raise ModelError(f"Keras cannot be loaded with the backend {backend}: {first_line(fault)}") from fault
    logging.getLogger("tensorflow").addFilter(_is_for_a_person)
    return sys.modules["keras"]


def _is_for_a_person(record: logging.LogRecord) -> bool:
    """Each network is compiled once, as it must be; TensorFlow takes several for one in a loop and warns of it."""
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """TensorFlow greets on standard error before any setting of its own can tell it not to."""
    sys.stderr.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def libraries() -> dict[str, str]:
    """What the model was saved with, Watcher first, for whoever must reproduce it."""
    keras = import_keras()
    found = {"watcher": __version__, "keras": keras.__version__, "backend": keras.backend.backend()}
    if found["backend"] == "tensorflow":
        import tensorflow as tf

        found["tensorflow"] = tf.__version__
    return found | {name: metadata.version(name) for name in _LIBRARIES}


def first_line(fault: BaseException) -> str:
    """The gist of a library's exception, which can run over pages."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(fault).__name__


def _first(invalid: ValidationError) -> str:
    fault = invalid.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"


def card_json(package: Package) -> dict[str, Any]:
    """A card as plain JSON values, for printing."""
    value: dict[str, Any] = json.loads(package.card.model_dump_json())
    return value
