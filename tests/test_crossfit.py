"""A tuned teacher: every picture is scored by a network that never saw its group, and what is done is not done again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trainings
from trainings import Watcher

from watcher.training import crossfit
from watcher.training.augment import augmenter
from watcher.training.crossfit import crossfitted
from watcher.training.examples import find_examples
from watcher.training.features import cached_features
from watcher.training.lesson import Lesson, targets_of, weights_of
from watcher.training.mapped import Rows
from watcher.training.network import build
from watcher.training.pixels import read_pixels
from watcher.training.recipe import FineTune, Recipe

RECIPE = Recipe(
    **(
        trainings.SMALL
        | {"views": 1, "blocks": ("conv",), "fine_tune": FineTune(epochs=1, patience=1, top=0.05, batch_size=8)}
    )
)


class Taught:
    """Two colours by group, and the lesson that they make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        source = trainings.drop(folder / "set", groups=6, each=2)
        watching = Watcher()
        self.found = read_pixels(find_examples(source, r"^\d+"), 32, folder, watching.stage("reading"))
        self.groups = [example.group for example in self.found.examples]
        truth = np.array([example.label == "red" for example in self.found.examples], np.int64)
        self.pixels = Rows(self.found.array, np.arange(len(truth)))
        network = build(RECIPE, 2)
        augment = augmenter(RECIPE.augment, 32, 1)
        features = cached_features(
            network.features, augment, self.pixels, 1, folder / "f.npy", watching.stage("looking")
        )
        self.lesson = Lesson(
            features, targets_of(truth, 2, 0.0), weights_of(truth, 2, balanced=True), features[0], truth
        )  # fmt: skip

    def scores(self, watching: Watcher | None = None) -> np.ndarray:
        where = self.pixels, self.groups, RECIPE, "float32", self.folder
        return crossfitted(self.lesson, *where, watching or Watcher())


@pytest.fixture
def taught(tmp_path: Path) -> Taught:
    return Taught(tmp_path)


def test_every_picture_has_scores(taught: Taught) -> None:
    """Probabilities of each label, by one of five networks."""
    watching = Watcher()
    scores = taught.scores(watching)
    assert scores.shape == (24, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert [stage for stage in watching.stages if stage.startswith("Teacher")] == [
        f"Teacher {n} of 5" for n in range(1, 6)
    ]


def test_no_network_learns_from_the_groups_that_it_scores(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tuned on the pictures of all the others."""
    taught_on = []

    def noted(plan: object, *_: object, best: bool) -> None:
        lesson = plan.batches.__closure__  # type: ignore[attr-defined]
        inputs = next(cell.cell_contents for cell in lesson if isinstance(cell.cell_contents, Lesson))
        taught_on.append((set(inputs.inputs.chosen.tolist()), set(inputs.validation_inputs.chosen.tolist())))

    monkeypatch.setattr(crossfit, "fit", noted)
    taught.scores()
    assert sorted(place for _, own in taught_on for place in own) == list(range(24))
    for others, own in taught_on:
        assert not {taught.groups[i] for i in others} & {taught.groups[i] for i in own}
        assert len(others) + len(own) == 24


def test_what_was_done_is_not_done_again(taught: Taught, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was cut short goes on with the next part, and comes to the same."""
    whole = taught.scores()
    (taught.folder / "part-5.npy").unlink()
    fitted = []
    fit = crossfit.fit
    monkeypatch.setattr(
        crossfit,
        "fit",
        lambda plan, checkpoint, progress, **more: (
            fitted.append(checkpoint.name) or fit(plan, checkpoint, progress, **more)
        ),
    )
    np.testing.assert_array_equal(taught.scores(), whole)
    assert fitted == ["part-5"]
