"""Small trainings: quick, and real in all they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import homes
import numpy as np

from watcher.models.registry import Registry
from watcher.training.examples import Example
from watcher.training.job import Data, Job
from watcher.training.lesson import Lesson, targets_of
from watcher.training.recipe import Recipe
from watcher.training.running import Trained, find_pictures, run_job

QUICK: dict[str, Any] = {"input_size": 32, "views": 2, "precision": "float32"}
# Of keras.applications the one with the fewest weights; they are made up, from the seed.
SMALL = QUICK | {"base": "mobilenetv3small", "weights": "none"}


class Watcher:
    """Remembers what a training tells."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.told: list[tuple[int, int]] = []

    def stage(self, name: str) -> Callable[[int, int], None]:
        self.stages.append(name)
        return lambda done, total: self.told.append((done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


def drop(folder: Path, groups: int = 8, each: int = 3, labels: Sequence[str] = ("blue", "red")) -> Path:
    """Pictures named `label/group-number.png`, no two alike; every group has pictures of all labels."""
    for place, label in enumerate(labels):
        for group in range(groups):
            for number in range(each):
                seed = (place * groups + group) * each + number
                homes.drop(folder, f"{label}/{group}-{number}.png", homes.picture(label, seed))
    return folder


def examples(groups: dict[str, Sequence[str]]) -> list[Example]:
    """An example of each group of each label; there are no pictures."""
    return [Example(Path(f"{label}-{i}"), label, group) for label in groups for i, group in enumerate(groups[label])]


def job(data: dict[str, Any] | None = None, model: str = "tones", **changes: Any) -> Job:
    return Job(model=model, data=Data(**({"group_by": r"^\d+"} | (data or {}))), training=Recipe(**(QUICK | changes)))


def train(registry: Path, source: Path, what: Job, watching: Watcher | None = None) -> Trained:
    """Runs the job in this process."""
    watching = watching or Watcher()
    pictures = find_pictures(what, [source])
    return run_job(Registry(registry), what, pictures, watching, lambda: homes.NOON, promote=False)


def lesson(count: int = 240, width: int = 6, labels: int = 3, views: int = 1, apart: float = 1.2) -> Lesson:
    """Features of overlapping labels, as many again to choose by."""
    random = np.random.default_rng(0)
    truth = random.integers(0, labels, 2 * count)
    centres = random.normal(0, apart, (labels, width))
    features = random.normal(centres[truth], 1.0, (views, 2 * count, width)).astype(np.float16)
    return Lesson(
        features[:, :count],
        targets_of(truth[:count], labels, 0.0),
        np.ones(count, np.float32),
        features[0, count:],
        truth[count:],
    )
