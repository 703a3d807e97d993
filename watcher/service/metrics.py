"""Figures for monitoring, in Prometheus' terms: what a home holds, and what its daemon is doing.

What each means, and what to alert on, stands in deploy/README.md.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from watcher.results.runs import ACTIVE, RunState
from watcher.service.status import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from watcher.results.tallies import Outcomes
    from watcher.service.counting import Counted, Counting
    from watcher.service.first_sights import FirstSights
    from watcher.service.health import Health

# A run that has come to its end: what it has found out is in the books, whether its model went live or not.
SUCCESSES = (RunState.PROMOTED, RunState.KEPT)


class Figures(Collector):
    """What is asked for at every scrape."""

    def __init__(self, counting: Counting, sights: FirstSights, health: Health) -> None:
        self._counting = counting
        self._sights = sights
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Where inbox or database cannot be read, that is a figure, too, and what they would tell is left out."""
        found = self._counting.found()
        yield _gauge(
            "watcher_oldest_waiting_seconds",
            "For how long the oldest picture has been waiting or in work, since it was first seen; 0: none waits",
            self._sights.oldest(),
        )
        yield _gauge("watcher_readable", "1 if the inbox and the database can be read, else 0", found is not None)
        yield from self._running()
        yield from self._parts()
        if found:
            yield from _pictures(found)
            yield from _jobs(found.outcomes)

    def _running(self) -> Iterator[Metric]:
        health, note = self._health, self._health.note
        yield _gauge(
            "watcher_alive", "1 while all parts of the daemon give signs of life, else 0", health.dead() is None
        )
        yield _gauge("watcher_ready", "1 while pictures are taken, else 0", health.obstacle() is None)
        troubles = {(trouble.what,): 1.0 for trouble in note.troubles}
        yield _labelled("watcher_trouble", "What is not possible at the moment, each 1", ["what"], troubles)
        since = {(trouble.what,): datetime.fromisoformat(trouble.since).timestamp() for trouble in note.troubles}
        yield _labelled("watcher_trouble_since_timestamp_seconds", "Since when, Unix time", ["what"], since)
        models = {(model.model, str(model.version), model.engine): 1.0 for model in note.working}
        labels = ["model", "version", "engine"]
        yield _labelled("watcher_model_info", "Models that are loaded, each 1", labels, models)

    def _parts(self) -> Iterator[Metric]:
        health = self._health
        silences = {(name,): seconds for name, seconds in health.silences().items()}
        yield _labelled("watcher_silence_seconds", "Since the last sign of life of each part", ["part"], silences)
        queues = health.queues()
        depths = {(queue.name,): float(queue.depth) for queue in queues}
        yield _labelled("watcher_queue_depth", "What is in hand: pictures, batches, pixels", ["queue"], depths)
        limits = {(queue.name,): float(queue.limit) for queue in queues}
        yield _labelled("watcher_queue_limit", "And how much there can be at most", ["queue"], limits)
        if scan := health.last_scan():
            yield _gauge("watcher_last_scan_seconds", "What the last whole look through the inbox took", scan.seconds)
            ended = time.time() - scan.age
            yield _gauge("watcher_last_scan_timestamp_seconds", "When it ended, Unix time", ended)


def _pictures(found: Counted) -> Iterator[Metric]:
    states = {(state,): float(getattr(found.status, state)) for state in STATES}
    yield _labelled("watcher_pictures", "Pictures that ever came, by what became of them", ["state"], states)
    missing = {(wait.model,): float(wait.pictures) for wait in found.status.models_missing}
    text = "Pictures that wait for a model that cannot be used, by model"
    yield _labelled("watcher_waiting_for_model", text, ["model"], missing)
    yield _gauge("watcher_left_alone", "Files in the inbox that Watcher never takes", found.status.left_alone)
    reviews = {(one.model,): one.to_review / one.pictures for one in found.reviews if one.pictures}
    text = "Of all pictures that a model has classified, the share that needs review"
    yield _labelled("watcher_needs_review_ratio", text, ["model"], reviews)
    free = {(name,): float(count) for name, count in found.free.items()}
    yield _labelled("watcher_disk_free_bytes", "Room that is left where these folders are", ["folder"], free)


def _jobs(outcomes: tuple[Outcomes, ...]) -> Iterator[Metric]:
    runs = CounterMetricFamily("watcher_job_runs", "Runs of jobs that have ended, by how", labels=["job", "state"])
    for each in outcomes:
        if each.state not in ACTIVE:
            runs.add_metric([each.job, each.state.value], each.runs)
    yield runs
    last: dict[tuple[str, ...], float] = {}
    for each in outcomes:
        if each.state in SUCCESSES and each.last_ended:
            last[each.job,] = max(last.get((each.job,), 0.0), each.last_ended.timestamp())
    text = "When a run of the job last came to its end, with or without a new version, Unix time"
    yield _labelled("watcher_job_last_success_timestamp_seconds", text, ["job"], last)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _labelled(name: str, text: str, labels: list[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for texts, value in values.items():
        family.add_metric(texts, value)
    return family
