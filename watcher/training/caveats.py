"""What to know of pictures that a model was tried on, before its figures are believed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from watcher.intake.names import clean
from watcher.training.examples import data_digest

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.models.package import Card
    from watcher.training.evaluating import Evaluation

LISTED = 20


def caveats(found: Evaluation, card: Card) -> list[str]:
    """A sentence for each: labels that do not match, unreadable pictures, copies, pictures it was trained on."""
    notes = found.matched.notes()
    if found.unreadable:
        count = len(found.unreadable)
        notes.append(f"{count:,} picture{'' if count == 1 else 's'} could not be read and {_were(count)} left out.")
        notes += [f"{clean(str(one.path))}: {one.reason}" for one in found.unreadable[:LISTED]]
        if count > LISTED:
            notes.append(f"And {count - LISTED:,} more that could not be read.")
    notes += _copies(found)
    if card.trained_on is not None and card.trained_on.data_digest == data_digest(found.examples, found.contents):
        notes.append("The model was trained on exactly these pictures, so these figures tell nothing of new ones.")
    else:
        notes.append(
            "Figures are true of new pictures only if the model has seen none of these groups (slides, patients, "
            "cameras) when it was trained."
        )
    return notes


def _copies(found: Evaluation) -> list[str]:
    """How many pictures have the same bytes as another, and those that stand under two labels."""
    uses = Counter(found.contents)
    copies = len(found.contents) - len(uses)
    if not copies:
        return []
    notes = [
        f"{copies:,} picture{'' if copies == 1 else 's'} {'is an exact copy of another' if copies == 1 else 'are exact copies of others'} here, and counted."
    ]
    labels: dict[str, dict[str, Path]] = {}
    for content, one in zip(found.contents, found.examples, strict=True):
        if uses[content] > 1:
            labels.setdefault(content, {}).setdefault(one.label, one.path)
    torn = [places for places in labels.values() if len(places) > 1]
    for places in torn[:LISTED]:
        here = ", ".join(f"{label} ({clean(path.name)})" for label, path in places.items())
        notes.append(f"The same picture stands under several labels: {here}.")
    return notes


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
