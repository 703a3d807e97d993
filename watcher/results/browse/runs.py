"""The runs of jobs, and how good their models were, version by version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from watcher.results.browse.charts import Chart, Measured, measured
from watcher.results.runs import RunState
from watcher.results.tables import JobRunRow

MOST = 200  # newest runs
FIGURES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
}
SHOWN = ("accuracy", "sensitivity", "specificity", "roc_auc")
ENDED = {RunState.PROMOTED: "went live", RunState.KEPT: "did not go live"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a run's candidate, 0..1."""

    title: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run, with its figures."""

    row: Any
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job's runs, the newest first, and a chart for each figure that its candidates have."""

    name: str
    model: str
    runs: Sequence[Ran]
    charts: Sequence[Chart]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs that have run lately."""

    jobs: Sequence[Job]
    more: bool  # runs than are shown


def jobs(connection: Connection) -> Jobs:
    found = list(connection.execute(select(JobRunRow.__table__).order_by(JobRunRow.id.desc()).limit(MOST + 1)))
    by_job: dict[tuple[str, str, str], list[Ran]] = {}
    for row in found[:MOST]:
        ran = Ran(row=row, figures=_figures(row.metrics))
        by_job.setdefault((row.home, row.job, row.model), []).append(ran)
    return Jobs(
        jobs=[
            Job(name=name, model=model, runs=runs, charts=_charts(runs)) for (_, name, model), runs in by_job.items()
        ],
        more=len(found) > MOST,
    )


def _figures(metrics: str | None) -> list[Figure]:
    """What a run noted of its candidate; whatever is none of ours is left out."""
    try:
        given = json.loads(metrics or "{}")
    except (ValueError, RecursionError):
        return []
    if not isinstance(given, Mapping):
        return []
    return [
        Figure(title=title, value=value, low=_share(given[name], "low"), high=_share(given[name], "high"))
        for name, title in FIGURES.items()
        if (value := _share(given.get(name), "value")) is not None
    ]


def _share(measure: Any, name: str) -> float | None:
    value = measure.get(name) if isinstance(measure, Mapping) else None
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _charts(runs: Sequence[Ran]) -> list[Chart]:
    """From the oldest candidate to the newest."""
    found = []
    for name in SHOWN:
        values = [
            Measured(
                name=f"v{ran.row.candidate}" if ran.row.candidate is not None else f"run {ran.row.id}",
                value=figure.value,
                low=figure.low,
                high=figure.high,
                mark="live" if ran.row.state is RunState.PROMOTED else "kept",
                said=ENDED.get(ran.row.state, ran.row.state.value),
            )
            for ran in reversed(runs)
            for figure in ran.figures
            if figure.title == FIGURES[name]
        ]
        if values:
            found.append(measured(FIGURES[name], values))
    return found
