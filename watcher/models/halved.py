"""A `.keras` file at half the size: its large weights are kept as float16 and computed with as float32."""

from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import keras

# Where keras.saving puts them inside the zip.
WEIGHTS = "model.weights.h5"


def halve(path: Path) -> None:
    """Stores the weights of a `.keras` file as float16, in place, where that loses nothing but digits.

    Kernels shrink; vectors (biases, the statistics of a batch normalisation) are small, and may need the
    range of float32, so they stay. Keras casts what it reads to each variable's own type, so that the
    model that is loaded computes in float32. Raises OSError.
    """
    half = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            data = old.read(member)
            new.writestr(member.filename, _halved(data) if member.filename == WEIGHTS else data)
    os.replace(half, path)


def round_weights(model: keras.Model) -> None:
    """Gives a model in memory the very weights that it has once it was halved and is loaded again."""
    for variable in model.weights:
        values = np.asarray(variable.numpy())
        variable.assign(_narrow(values).astype(values.dtype))


def _halved(data: bytes) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(data), "r") as old, h5py.File(buffer, "w") as new:
        _copy(old, new)
    return buffer.getvalue()


def _copy(old: Any, new: Any) -> None:
    import h5py

    new.attrs.update(old.attrs)
    for name, item in old.items():
        if isinstance(item, h5py.Group):
            _copy(item, new.create_group(name))
        else:
            new.create_dataset(name, data=_narrow(item[()])).attrs.update(item.attrs)


def _narrow(values: Any) -> Any:
    if getattr(values, "dtype", None) != np.float32 or np.ndim(values) < 2:
        return values
    most = np.finfo(np.float16).max
    return values.astype(np.float16) if np.abs(values).max(initial=0) <= most else values
