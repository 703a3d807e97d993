"""Arrays in files, for what is larger than memory may be."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.models.durable import sync

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of an array in a file; only those that are asked for are read, so `array[chosen]` is never in memory.

    `chosen` is int64 [n], the rows' places in `array`.
    """

    array: NDArray[Any]
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, wanted: slice | NDArray[np.int64]) -> NDArray[Any]:
        """A copy of the rows at such places among the chosen ones."""
        return np.asarray(self.array[self.chosen[wanted]])


def new_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[Any]]:
    """An array of zeros in the `.npy` file at `path`, which is made. Raises OSError where there is no room for all of it.

    The room is taken at once, for a mapped file that meets a full disk later ends the process (SIGBUS).
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as fault:
            if fault.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return array  # a file system that cannot
            path.unlink()
            raise OSError(fault.errno, fault.strerror, str(path)) from None
    return array


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Keeps an array in the `.npy` file at `path`, in one step. Raises OSError."""
    half = path.with_suffix(".tmp.npy")
    np.save(half, array)
    sync(half)
    os.replace(half, path)
