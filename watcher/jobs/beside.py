"""What the candidate is worth beside the live model, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watcher.jobs.apart import two_numbers, two_of_100
from watcher.jobs.comparison import compare, pair_up
from watcher.jobs.floors import why_untold
from watcher.training.known_labels import listed
from watcher.training.values import WHOLE, Values
from watcher.training.wording import NAMES, hundred, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.jobs.comparison import Comparison
    from watcher.jobs.gate import Gate
    from watcher.training.scored import Scored


@dataclass(frozen=True, slots=True)
class Finding:
    """What speaks against the candidate, clauses that begin with "it", and its figure if nothing does."""

    against: tuple[str, ...]
    figures: str


def alone(gate: Gate, candidate: Scored) -> Finding:
    """Of a first model, which has nothing to be worse than."""
    value = float(Values(candidate).row(np.ones(len(candidate)))[WHOLE.index(gate.metric)])
    if math.isnan(value):
        figures = f"{NAMES[gate.metric]} cannot be told, for {why_untold(gate.metric, candidate)}"
    else:
        where = _pictures(len(candidate), len(set(candidate.groups)), "")
        figures = f"{NAMES[gate.metric]} {number(value)} on {where}"
    return Finding((), f"there was none before; {figures}")


def beside(gate: Gate, candidate: Scored, current: Scored, current_name: str, *, rounds: int, seed: int) -> Finding:
    """Both by the gate's figure, on the pictures whose labels both know.

    A label that only the candidate knows does not speak against it; one that it has lost does, for from now on
    all pictures of that would be mistaken.
    """
    lost = tuple(_lost(candidate, current, current_name))
    pair = pair_up(candidate, current)
    name, cannot = NAMES[gate.metric], f"it cannot be compared with {current_name}"
    if pair is None:
        return Finding((f"{cannot}, for no held-out picture has a label that both know", *lost), "")
    found = compare(*pair, gate.metric, gate.tolerance, rounds=rounds, seed=seed)
    if math.isnan(found.candidate):
        return Finding((f"{cannot} by {name}, for {why_untold(gate.metric, pair[0])}", *lost), "")
    differ = set(candidate.labels) != set(current.labels)
    where = _pictures(found.pictures, found.groups, " whose labels both know" if differ else "")
    new = _new(candidate, current)
    has, had = two_numbers(found.candidate, found.current)
    if found.worse > gate.doubt:
        doubts = f"it has {name} {has} against {had} on {where} ({_doubts(gate, found)}{new}){_setback(found)}"
        return Finding((doubts, *lost), "")
    figures = f"{has}, as {current_name} has," if has == had else f"{has} against {had} of {current_name}"
    return Finding(lost, f"{name} {figures} on {where} ({_worse(gate, found, hundred(found.worse))}{new})")


def _lost(candidate: Scored, current: Scored, current_name: str) -> Iterator[str]:
    if lost := [label for label in current.labels if label not in candidate.labels]:
        yield f"it does not know {listed(lost)}, as {current_name} does: promote it by hand if that is meant"


def _new(candidate: Scored, current: Scored) -> str:
    new = [label for label in candidate.labels if label not in current.labels]
    return f"; new, and so not compared: {listed(new)}" if new else ""


def _pictures(pictures: int, groups: int, which: str) -> str:
    """`1,146 held-out pictures of 15 groups`."""
    many = f"{pictures:,} held-out picture{'s' * (pictures > 1)}{which}"
    if groups == pictures:
        return f"{many}{', each its own group' * (groups > 1)}"
    return f"{many}{',' * bool(which)} of {groups:,} group{'s' * (groups > 1)}"


def _doubts(gate: Gate, found: Comparison) -> str:
    """How surely the candidate is worse, and how surely it might be."""
    share, allowed = two_of_100(found.worse, gate.doubt)
    return _worse(gate, found, share) + (f", and {allowed} are allowed" if found.draws else "")


def _worse(gate: Gate, found: Comparison, share: str) -> str:
    worse = f"worse by more than {gate.tolerance:g}" if gate.tolerance else "worse"
    if found.draws:
        return f"{worse} in {share} of 100 draws"
    return f"too few groups to draw from; by these figures alone {'' if found.worse else 'not '}{worse}"


def _setback(found: Comparison) -> str:
    if found.setback is None:
        return ""
    return f", and on group {found.setback.group} it misses {hundred(found.setback.share)} % more"
