"""Two figures in words, with as many decimals as it takes to see which is larger."""

from __future__ import annotations

from watcher.training.wording import hundred, number

MOST_DECIMALS = 9


def two_numbers(one: float, other: float) -> tuple[str, str]:
    """Shares (0..1) with three decimals, or more where they would look the same and are not."""
    return _apart((number(one), number(other)), (one, other), 1)


def two_of_100(one: float, other: float) -> tuple[str, str]:
    """Shares (0..1) as so many of 100, with one decimal at most, or more where they would look the same."""
    return _apart((hundred(one), hundred(other)), (one, other), 100)


def _apart(texts: tuple[str, str], shares: tuple[float, float], scale: int) -> tuple[str, str]:
    if texts[0] != texts[1]:
        return texts
    for decimals in range(2, MOST_DECIMALS):
        longer = [f"{scale * share:.{decimals}f}" for share in shares]
        rounded = [
            float(text) in (0, scale) and share not in (0, 1) for text, share in zip(longer, shares, strict=True)
        ]
        if longer[0] != longer[1] and not any(rounded):  # what is not quite 1 or 0 is not shown as if it were
            return longer[0], longer[1]
    return texts
