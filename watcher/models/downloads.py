"""Keras' own downloads of weights, made fit for a command's output and for machines without internet."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Offline machines must hear so soon, not when the operating system gives up.
TIMEOUT_SECONDS = 20.0


@contextlib.contextmanager
def downloading() -> Iterator[None]:
    """While Keras may download: its progress goes to a terminal or nowhere, and it does not wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        with _progress():
            yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _progress() -> Iterator[None]:
    """Keras prints its progress on standard output, which belongs to the command's own answer.

    Where nobody watches, as in a log, thousands of bars would stand below each other.
    """
    if sys.stderr.isatty():
        with contextlib.redirect_stdout(sys.stderr):
            yield
    else:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
