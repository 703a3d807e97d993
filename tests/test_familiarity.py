"""A trained model as it is used: the scores of its training, and none for what is unlike anything it learned from."""

from __future__ import annotations

from dataclasses import dataclass

import homes
import numpy as np
import pytest
import trainings
from pictures import encoded, photo
from PIL import Image

from watcher.models.package import Package, import_keras, load
from watcher.models.registry import Registry
from watcher.training import familiarity, running
from watcher.training.training import Candidate
from watcher.vision.outcome import Classified
from watcher.vision.vision import Vision

RANDOM = np.random.default_rng(5)
STRANGE = {
    "green": np.full((40, 40, 3), (0, 200, 0)),
    "black": np.zeros((40, 40, 3)),
    "white": np.full((40, 40, 3), 255),
    "noise": RANDOM.integers(0, 256, (40, 40, 3)),
    "stripes": np.tile(np.where(np.arange(40) % 4 < 2, 0, 255)[None, :, None], (40, 1, 3)),
    "photo": np.asarray(photo(64, 64)),
}


@dataclass(frozen=True)
class Tones:
    """A model that tells red pictures from blue ones, kept in float16, and the candidate that it was."""

    package: Package
    vision: Vision
    candidate: Candidate
    registry: Registry


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Tones:
    folder = tmp_path_factory.mktemp("tones")
    source = trainings.drop(folder / "set", groups=12, each=4)
    candidates: list[Candidate] = []
    with pytest.MonkeyPatch.context() as patch:
        real = running.train
        patch.setattr(running, "train", lambda *args: candidates.append(real(*args)) or candidates[-1])
        trained = trainings.train(folder / "models", source, trainings.job(half=True, validation=0.3))
    vision = Vision(trained.package, "graph", 8, max_megapixels=1)
    return Tones(trained.package, vision, candidates[0], Registry(folder / "models"))


def seen(tones: Tones, picture: np.ndarray) -> Classified:
    (found,) = tones.vision([encoded(Image.fromarray(picture.astype(np.uint8)), "PNG")])
    assert isinstance(found, Classified)
    return found


@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_picture_is_for_a_person_to_look_at(tones: Tones, kind: str) -> None:
    """Its score is below the review threshold, whatever the network makes of it."""
    assert tones.package.card.review_threshold is not None
    assert seen(tones, STRANGE[kind]).predictions[0][1] < tones.package.card.review_threshold


def test_familiar_pictures_keep_their_scores(tones: Tones) -> None:
    """New ones of the same kind are told apart, and few of them are for a person."""
    files = [homes.picture(label, 5000 + number) for number in range(20) for label in ("blue", "red")]
    found = tones.vision(files)
    assert [one.predictions[0][0] for one in found] == ["blue", "red"] * 20
    above = [one.predictions[0][1] >= tones.package.card.review_threshold for one in found]
    assert sum(above) > 20


def test_doubt_never_changes_the_label(tones: Tones) -> None:
    """However strange a picture is; scores are probabilities."""
    model = tones.candidate.model
    both = import_keras().Model(model.input, [model.get_layer("probabilities").output, model.output])
    pixels = np.concatenate(
        [RANDOM.uniform(0, 255, (30, 32, 32, 3)), *(RANDOM.uniform(0, 255, (1, 1, 1, 3)) * np.ones((9, 32, 32, 3)),)]
    ).astype(np.float32)
    said, mixed = (np.asarray(part) for part in both(pixels))
    assert mixed.max() < 0.55
    assert np.array_equal(said.argmax(axis=1), mixed.argmax(axis=1))
    assert np.allclose(mixed.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("half", [True, False])
def test_the_kept_model_gives_the_scores_of_its_training(tones: Tones, half: bool) -> None:
    """Loaded in safe mode, through the eyes that a daemon has; in float16 to a hundredth."""
    package = tones.package
    if not half:
        package = tones.registry.install("full", tones.candidate.model, tones.candidate.card, homes.NOON)
    vision = Vision(package, "graph", 8, max_megapixels=1)
    judged = tones.candidate.judged
    pictures = [vision.decode(path.read_bytes()).pixels for path in judged.paths]
    assert np.allclose(vision.scores(pictures), judged.scores, atol=0.02 if half else 1e-3)
    assert load(package).output_shape == (None, 2)


def test_the_card_tells_all_that_made_it(tones: Tones) -> None:
    """The data's digest, the settings, the seed, the threshold; and nothing is left of the work."""
    card = tones.package.card
    assert card.labels == ("blue", "red") and card.positive_label == "red"
    assert card.base == "efficientnet-lite0" and "from ImageNet weights" in card.weights
    assert (card.trained_on.pictures, card.trained_on.groups, card.trained_on.seed) == (96, 12, 1)
    assert card.trained_on.settings["computed_in"] == "float32"
    assert {path.name for path in tones.package.folder.iterdir()} == {
        "model.keras", "model.json", "metrics.json", "report.html", "trial-pictures.zip",
    }  # fmt: skip
    assert not [path for path in tones.package.folder.parent.glob(".training-*") if path.is_dir()]


def test_strangeness_is_measured_by_what_is_usual() -> None:
    """What goes together in training pictures and not in a new one is strange, though each feature by itself is not."""
    cause = RANDOM.normal(0, 1, (300, 2)) @ RANDOM.normal(0, 1, (2, 6))
    features = (cause + RANDOM.normal(0, 0.01, cause.shape)).astype(np.float32)
    familiar = familiarity.learn(features, features, 1)
    offsets = np.clip(familiar.scale(features), -familiarity.MOST, familiarity.MOST) - familiar.centre
    within, away = familiarity._distances(offsets, familiar.directions, familiar.spreads)
    assert 0.98 <= np.mean(within <= familiar.usual_within) < 1
    torn, _ = familiarity._distances(offsets * np.float32([-1, 1, 1, 1, 1, 1]), familiar.directions, familiar.spreads)
    assert np.median(torn) > 10 * familiar.usual_within
    features = features[:, :5]
    alike = familiarity.learn(np.ones((9, 3), np.float32), np.ones((4, 3), np.float32), 1)
    assert np.isfinite(familiarity._distances(np.ones((1, 3), np.float32), alike.directions, alike.spreads)).all()
    few = familiarity.learn(features[:4], features[4:9], 1)
    assert few.directions.shape == (5, 3)
    _, away = familiarity._distances(np.ones((1, 5), np.float32), few.directions, few.spreads)
    assert 0 < away[0] <= 5
