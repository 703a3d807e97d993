"""What a model is worth on pictures whose truth is known: figures with intervals, as `metrics.json` holds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from watcher.training.bootstrap import spread
from watcher.training.values import FOR_LABEL, WHOLE, Values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from watcher.training.bootstrap import Spread
    from watcher.training.scored import Scored

MOST_WORK = 1e9  # pictures x labels x rounds, which takes about 20 seconds
FEWEST_ROUNDS = 200
MOST_GROUPS = 1000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Measure(_Record):
    """A share (0..1) and its 95 % interval; None for what these pictures cannot tell."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Cell(_Record):
    """One field of the confusion matrix, of those that are not 0: pictures of `truth` that are said to be `said`."""

    truth: str
    said: str
    pictures: int
    share: Measure
    """Of the truth's pictures."""


class Figures(_Record):
    """The figures of some pictures as a whole.

    Balanced accuracy, ROC AUC and average precision are means over the labels that have pictures (one
    against the rest) or, of two labels, those of the positive one. The calibration error is the expected one of
    the label that is said, in 15 bins of equal width (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
    """

    pictures: int
    mistakes: int
    accuracy: Measure
    balanced_accuracy: Measure
    sensitivity: Measure
    specificity: Measure
    roc_auc: Measure
    average_precision: Measure
    calibration_error: Measure
    confusion: tuple[Cell, ...]


class LabelFigures(_Record):
    """The figures of one label against all others; of two labels only the positive one has areas."""

    label: str
    pictures: int
    recall: Measure
    precision: Measure
    roc_auc: Measure
    average_precision: Measure


class GroupFigures(Figures):
    """The figures of one group.

    Its accuracy, sensitivity and specificity have Wilson's interval (1927), which takes the group's pictures for
    independent of each other; the others have none.
    """

    group: str


class Metrics(Figures):
    """All that is known of a model from these pictures."""

    labels: tuple[str, ...]
    positive: str | None
    groups: int
    rounds: int
    """Draws behind each interval; 0 where there are none, for a single group tells nothing of others."""
    each_label: tuple[LabelFigures, ...]
    each_group: tuple[GroupFigures, ...]
    """By name, the thousand largest at most; none where every picture is a group of its own."""

    def to_json(self) -> str:
        return self.model_dump_json(indent=1)


def measure(scored: Scored, *, rounds: int = 1000, seed: int = 0) -> Metrics:
    """Every figure with its 95 % interval, bootstrapped over whole groups (see `bootstrap`).

    Very many pictures of very many labels get fewer rounds, but 200 at least.
    """
    names, groups = scored.group_numbers()
    values = Values(scored)
    rounds = min(rounds, max(FEWEST_ROUNDS, int(MOST_WORK / scored.scores.size)))
    row = values.row(np.ones(len(scored)))
    found = spread(values.row, groups, rounds, seed)
    measures = [_measure(value) for value in row] if found is None else list(_with_ends(row, found, values.pictures()))
    return Metrics(
        **_figures(scored, values, measures),
        labels=scored.labels,
        positive=scored.positive,
        groups=len(names),
        rounds=0 if found is None else rounds,
        each_label=tuple(_each_label(scored, measures)),
        each_group=tuple(_each_group(scored, names, groups)),
    )


def _with_ends(row: NDArray[np.float64], found: Spread, pictures: NDArray[np.float64]) -> Iterator[Measure]:
    """The figures with their intervals.

    A calibration error can only grow by drawing, so its interval is moved by how far the median of the draws lies
    off. Where all draws agree, as where there is no mistake, that does not make a figure certain: it has Wilson's
    interval over as many `pictures` as it rests on.
    """
    low, high = found.low.copy(), found.high.copy()
    place = WHOLE.index("calibration_error")
    shift = row[place] - found.middle[place]
    low[place], high[place] = max(0.0, low[place] + shift), min(1.0, high[place] + shift)
    alike = set(found.alike().tolist())
    for number, (value, *ends) in enumerate(zip(row, low, high, strict=True)):
        if number in alike and not math.isnan(value):
            yield wilson(value * pictures[number], pictures[number]).model_copy(update={"value": float(value)})
        else:
            yield _measure(value, *ends)


def _figures(scored: Scored, values: Values, measures: Sequence[Measure]) -> dict[str, Any]:
    """The fields of Figures from a row of Values."""
    size = len(scored.labels)
    counts = np.bincount(scored.truth * size + scored.said, minlength=size * size)
    shares = measures[len(measures) - len(values.cells) :]
    cells = (
        Cell(
            truth=scored.labels[truth], said=scored.labels[said], pictures=int(counts[truth * size + said]), share=share
        )
        for (truth, said), share in zip(values.cells, shares, strict=True)
    )
    return {
        "pictures": len(scored),
        "mistakes": int(np.count_nonzero(~scored.right)),
        **dict(zip(WHOLE, measures, strict=False)),
        "confusion": tuple(cells),
    }


def _each_label(scored: Scored, measures: Sequence[Measure]) -> Iterator[LabelFigures]:
    size = len(scored.labels)
    pictures = np.bincount(scored.truth, minlength=size)
    for place, label in enumerate(scored.labels):
        own = {name: measures[len(WHOLE) + number * size + place] for number, name in enumerate(FOR_LABEL)}
        yield LabelFigures(label=label, pictures=int(pictures[place]), **own)


def _each_group(scored: Scored, names: Sequence[str], groups: NDArray[np.int64]) -> Iterator[GroupFigures]:
    if len(names) == len(scored):
        return
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    for number in sorted(sorted(range(len(parts)), key=lambda number: -len(parts[number]))[:MOST_GROUPS]):
        part = scored.part(parts[number])
        values = Values(part)
        figures = _figures(part, values, [_measure(value) for value in values.row(np.ones(len(part)))])
        yield GroupFigures(group=names[number], **(figures | _wilsons(part)))


def _wilsons(part: Scored) -> dict[str, Measure]:
    found = {"accuracy": wilson(int(np.count_nonzero(part.right)), len(part))}
    if (positive := part.positive_place) is not None:
        for name, place in (("sensitivity", positive), ("specificity", 1 - positive)):
            own = part.truth == place
            found[name] = wilson(int(np.count_nonzero(part.right & own)), int(np.count_nonzero(own)))
    return found


def wilson(right: float, count: float) -> Measure:
    """The share `right` of `count` pictures with Wilson's score interval (1927, https://doi.org/10.2307/2276774)."""
    if count == 0:
        return Measure(value=None)
    z2, share = 1.959964**2, right / count
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Measure(value=share, low=min(low, share), high=max(high, share))  # whatever rounding does


def _measure(value: float, low: float = math.nan, high: float = math.nan) -> Measure:
    def known(number: float) -> float | None:
        return None if math.isnan(number) else float(number)

    return Measure(value=known(value), low=known(low), high=known(high))
