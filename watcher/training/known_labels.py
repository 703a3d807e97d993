"""Which of a model's labels the folders of labelled pictures mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.models.package import Card
    from watcher.training.examples import Example

LISTED = 10


@dataclass(frozen=True, slots=True)
class Matched:
    """The examples whose labels the model knows, each with its label's place, and what does not match."""

    examples: tuple[tuple[Example, int], ...]
    unknown: tuple[str, ...]
    """Labels of the examples that the model does not know."""
    absent: tuple[str, ...]
    """Labels of the model without examples."""

    def notes(self) -> list[str]:
        """What a person should know of it, a sentence each."""
        notes = []
        if self.unknown:
            notes.append(f"Left out, for the model has no such label: {listed(self.unknown)}.")
        if self.absent:
            notes.append(f"Labels of the model that have no pictures here: {listed(self.absent)}.")
        return notes


def match_labels(examples: Sequence[Example], card: Card) -> Matched:
    """Finds each example's label among the model's: by its name, by its WordNet id, or else by its words.

    `Red_Fox` has the words of `red fox`, if no other label has. Raises DataError if no label matches.
    """
    ids = card.wordnet_ids or ()
    words: dict[str, list[int]] = {}
    for place, label in enumerate(card.labels):
        words.setdefault(_words(label), []).append(place)
    exact: dict[str, int] = {name: place for names in (ids, card.labels) for place, name in enumerate(names)}
    places: dict[str, int | None] = {}
    for name in sorted({example.label for example in examples}):
        alike = words.get(_words(name), [])
        places[name] = exact.get(name, alike[0] if len(alike) == 1 else None)
    matched = tuple((example, found) for example in examples if (found := places[example.label]) is not None)
    if not matched:
        raise DataError(
            f"the folders are not named after the labels of {card.name}: they are {listed(tuple(places))}, "
            f"and it knows {listed(card.labels)}; rename the folders"
        )
    seen = {place for _, place in matched}
    return Matched(
        matched,
        tuple(label for label, place in places.items() if place is None),
        tuple(label for place, label in enumerate(card.labels) if place not in seen),
    )


def listed(names: Sequence[str]) -> str:
    """Ten names at most, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _words(label: str) -> str:
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())
