"""The trial pictures of a package: of the kind that its model is for, by which engines are checked and quantised."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from watcher.errors import ModelError
from watcher.models.durable import replace_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from watcher.models.package import Package

FILE = "trial-pictures.zip"
MOST = 200
QUALITY = 95


def has(package: Package) -> bool:
    return _file(package).is_file()


def pack(pictures: Iterable[NDArray[np.uint8]]) -> bytes:
    """Pictures at the model's size, [height, width, 3] uint8 each, as they stand in a package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number, picture in enumerate(pictures):
            jpeg = io.BytesIO()
            Image.fromarray(picture).save(jpeg, "JPEG", quality=QUALITY, subsampling=0)
            packed.writestr(f"{number:03}.jpg", jpeg.getvalue())
    return buffer.getvalue()


def write(package: Package, pictures: Iterable[NDArray[np.uint8]]) -> None:
    """Gives a package its trial pictures, in the place of earlier ones. Raises OSError."""
    replace_bytes(_file(package), pack(pictures))


def read(package: Package) -> NDArray[np.uint8]:
    """[pictures, height, width, 3] uint8. Raises ModelError if they are damaged or not of the model's size."""
    height, width = package.card.input_size
    try:
        with zipfile.ZipFile(_file(package)) as packed:
            names = packed.namelist()[:MOST]
            found = np.stack(
                [np.asarray(Image.open(io.BytesIO(packed.read(name)), formats=["JPEG"])) for name in names]
            )
    except (OSError, ValueError, zipfile.BadZipFile) as fault:
        raise ModelError(f"{_file(package)}: cannot be read: {fault}") from fault
    if found.shape[1:] != (height, width, 3):
        raise ModelError(f"{_file(package)}: its pictures are not of the model's size, {width} x {height}")
    return found


def _file(package: Package) -> Path:
    return package.folder / FILE
