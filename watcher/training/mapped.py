"""Arrays in files, for what is larger than memory may be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike


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
