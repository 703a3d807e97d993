"""What a version's card says of the groups that it has learned nothing from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.models.package import Card

HELD_OUT_GROUPS = "held_out_groups"
"""In the card's settings: those groups, by name."""
HELD_OUT_BY = "held_out_by"
"""How they were chosen: "share" (by the recipe's share and seed), or "digest" (of their names, by a job)."""


def held_out_groups(card: Card) -> frozenset[str]:
    """Those groups; none where the card does not say."""
    return frozenset(card.trained_on.settings.get(HELD_OUT_GROUPS, ())) if card.trained_on else frozenset()


def held_out_by_digest(card: Card) -> bool:
    return card.trained_on is not None and card.trained_on.settings.get(HELD_OUT_BY) == "digest"
