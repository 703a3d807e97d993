"""Which groups judge the models of a job: the same ones for ever, whatever pictures come later."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from watcher.errors import DataError, ModelError
from watcher.training.held_out import held_out_by_digest, held_out_groups

if TYPE_CHECKING:
    from watcher.models.registry import Registry
    from watcher.training.examples import Example

# So many groups of every label are left to teach and to choose by.
LEFT = 2


def judges_of(examples: Sequence[Example], share: float, before: frozenset[str] = frozenset()) -> frozenset[str]:
    """The groups of the examples that are held out: about `share` of them, by a digest of each one's name.

    So a group is on the same side in every run, and no picture that judged a model teaches the next. Those of
    `before` stay held out. Where few groups leave a label without any to judge by, the next by digest is taken, as long
    as two groups of each of its labels are left. Raises DataError for a share of 0.
    """
    if not share:
        raise DataError(
            "a job compares its model with the one before on pictures that neither has learned from: set held_out under "
            "[training] above 0, such as 0.15"
        )
    labels_of: dict[str, set[str]] = {}
    for example in examples:
        labels_of.setdefault(example.group, set()).add(example.label)
    groups_left = Counter(label for own in labels_of.values() for label in own)
    judged: set[str] = set()
    held = set(before & labels_of.keys())
    for group in held:
        _take(labels_of[group], groups_left, judged)
    for group in sorted(labels_of.keys() - held, key=place):
        own = labels_of[group]
        wanted = place(group) < share or own - judged
        if wanted and all(groups_left[label] > LEFT for label in own):
            held.add(group)
            _take(own, groups_left, judged)
    return frozenset(held)


def _take(own: set[str], groups_left: Counter[str], judged: set[str]) -> None:
    judged |= own
    for label in own:
        groups_left[label] -= 1


def place(group: str) -> float:
    """Where a group's name falls between 0 and 1, by its SHA-256: evenly, and for ever."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def held_out_before(registry: Registry, model: str) -> frozenset[str]:
    """The groups that judged versions of the model that jobs have made."""
    found: set[str] = set()
    for version in registry.versions(model):
        try:
            card = registry.read(model, version).card
        except ModelError:
            continue  # damaged: what it says is not to be relied on
        if held_out_by_digest(card):
            found |= held_out_groups(card)
    return frozenset(found)
