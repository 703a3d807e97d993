"""The gate that a newly trained model, the candidate, must pass before it takes the place of the live one.

What measures is imported only when something is to be decided: job files are read without NumPy.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from watcher.toml_file import Section
from watcher.training.recipe import Share
from watcher.training.wording import NAMES

if TYPE_CHECKING:
    from watcher.training.scored import Scored


def _known_figure(name: str) -> str:
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean `{close[0]}`? There" if close else "there"
        raise ValueError(f"there is no such figure; {hint} are {', '.join(NAMES)}")
    return name


FigureName = Annotated[str, AfterValidator(_known_figure)]


class Gate(Section):
    """What a newly trained model must show before it goes live."""

    metric: Literal["accuracy", "balanced_accuracy", "sensitivity", "specificity", "roc_auc", "average_precision"] = (
        Field(default="balanced_accuracy", description="the figure by which it is compared with the live model")
    )
    tolerance: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = Field(
        default=0.0, description="so much less is not yet worse"
    )
    doubt: Share = Field(
        default=0.5,
        description="the live model is kept if the new one is worse in more than this share of random draws of the groups",
    )
    floors: dict[FigureName, Share] = Field(
        default_factory=dict, description="figure -> the least it may be; of calibration_error the most"
    )
    label_floors: dict[str, Share] = Field(
        default_factory=dict, description="label -> the least share of its pictures that must be found"
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate goes live, and why, for a person to read."""

    passed: bool
    sentence: str
    against: tuple[str, ...]
    """Every reason against, a clause that begins with "it"; none if it passed."""


def decide(
    gate: Gate,
    candidate: Scored,
    candidate_name: str,
    current: Scored | None,
    current_name: str | None,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Decision:
    """Holds the candidate to the gate's floors and, where a model is live, beside it on the same held-out pictures.

    What cannot be told speaks against it. Raises ValueError if the two were not shown the same pictures.
    """
    from watcher.jobs.beside import alone, beside
    from watcher.jobs.floors import shortfalls

    if current is not None and current_name is not None:
        found = beside(gate, candidate, current, current_name, rounds=rounds, seed=seed)
    elif current is None and current_name is None:
        found = alone(gate, candidate)
    else:
        raise ValueError("a live model has both scores and a name")
    against = (*found.against, *shortfalls(gate, candidate))
    if not against:
        return Decision(True, f"promoted {candidate_name}: {found.figures}{_limits(gate)}", ())
    reasons = "; and ".join(against)
    if current_name is None:
        return Decision(False, f"refused {candidate_name}: {reasons}", against)
    return Decision(False, f"kept {current_name}: candidate {candidate_name} {reasons.removeprefix('it ')}", against)


def _limits(gate: Gate) -> str:
    count = len(gate.floors) + len(gate.label_floors)
    return "" if not count else "; it keeps its limit" if count == 1 else f"; it keeps its {count} limits"
