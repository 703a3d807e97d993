"""Whoever looks on while a model is trained: a terminal, a log, nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Progress = Callable[[int, int], None]
"""Is told what is done, of how much."""


class Watching(Protocol):
    """Training tells of itself."""

    def stage(self, name: str) -> Progress:
        """A stage begins, and the one before it is over."""

    def note(self, text: str) -> None:
        """Something that a person should know of the pictures or the training."""
