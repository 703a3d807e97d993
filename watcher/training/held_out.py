"""What a version's card says of the groups that it has learned nothing from."""

from __future__ import annotations

HELD_OUT_GROUPS = "held_out_groups"
"""In the card's settings: those groups, by name."""
HELD_OUT_BY = "held_out_by"
"""How they were chosen: "share" (by the recipe's share and seed), or "digest" (of their names, by a job)."""
