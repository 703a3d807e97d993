"""What is asked of a model whatever the one before it was worth: floors, each with the reason where it is missed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from watcher.jobs.apart import two_numbers, two_of_100
from watcher.training.bootstrap import SAME
from watcher.training.known_labels import listed
from watcher.training.values import WHOLE, Values
from watcher.training.wording import NAMES, hundred

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.jobs.gate import Gate
    from watcher.training.scored import Scored

CEILINGS = {"calibration_error"}  # an error, so the floor is the most that is allowed
OF_TWO = {"sensitivity", "specificity"}


def shortfalls(gate: Gate, scored: Scored) -> Iterator[str]:
    """A clause that begins with "it" for each floor that the model misses; a figure that cannot be told misses it."""
    row = Values(scored).row(np.ones(len(scored)))
    for name, asked in gate.floors.items():
        yield from _figure(name, float(row[WHOLE.index(name)]), asked, scored)
    for label, asked in gate.label_floors.items():
        yield from _label(label, asked, scored)


def why_untold(name: str, scored: Scored) -> str:
    """Why these pictures do not tell a figure."""
    if name in OF_TWO and scored.positive is None:
        return "only models of two labels have one"
    return "too few labels have held-out pictures"


def _figure(name: str, value: float, asked: float, scored: Scored) -> Iterator[str]:
    least = "at most" if name in CEILINGS else "at least"
    if math.isnan(value):
        why = why_untold(name, scored)
        yield f"it cannot show its {NAMES[name]}, for {why}, and {least} {asked:g} is asked for"
    elif (value - asked if name in CEILINGS else asked - value) > SAME:
        has, wanted = two_numbers(value, asked)
        yield f"it has {NAMES[name]} {has}, and {least} {wanted} is asked for"


def _label(label: str, asked: float, scored: Scored) -> Iterator[str]:
    if label not in scored.labels:
        yield (
            f"it does not know the label {label}, of which it is to find {hundred(asked)} of 100: "
            f"it knows {listed(scored.labels)}"
        )
        return
    own = scored.truth == scored.labels.index(label)
    pictures = int(np.count_nonzero(own))
    if not pictures:
        yield (
            f"it cannot show how many {label} it finds, for no held-out picture is one, "
            f"and {hundred(asked)} of 100 are asked for"
        )
        return
    recall = int(np.count_nonzero(scored.right & own)) / pictures
    if recall < asked:
        found, wanted = two_of_100(recall, asked)
        yield f"it finds {found} of 100 {label}, and {wanted} are asked for"
