"""What a spreadsheet would take for a formula, in names and labels of anybody's making."""

from __future__ import annotations

from typing import Any

# How a formula can begin; the wide forms are those of Chinese and Japanese keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defused(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, made one that it takes for text (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
