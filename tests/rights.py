"""For tests of files that may not be read: root may read them all, unless it does without that for a while."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522  # of the structure, in linux/capability.h
OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def of_everybody() -> Iterator[None]:
    """In this thread, root has no more rights to files than their owner."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head, sets = _Head(VERSION, 0), (_Sets * 2)()
    assert libc.capget(ctypes.byref(head), sets) == 0
    before = sets[0].effective
    sets[0].effective &= ~OVERRIDES
    assert libc.capset(ctypes.byref(head), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(head), sets) == 0
