"""How much sooner is a head trained on cached features than by plain `model.fit` over changed pictures?

    python tests/bench/cached_features.py jobs/malaria-vgg16.toml cells/ --weights imagenet

Both go from labelled pictures on the disk to a judged head: same pictures, split, base, changes of pictures, and held-out
pictures to judge by. The plain way is what Keras' guide to transfer learning shows: a frozen base, augmentation layers before it, a
dense layer with dropout behind it, Adam, early stopping on the validation loss.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from watcher.jobs.files import read_job
from watcher.models.package import import_keras
from watcher.models.registry import Registry
from watcher.training.augment import augmenter
from watcher.training.examples import find_examples
from watcher.training.job import Job
from watcher.training.material import Material, prepare, sample
from watcher.training.network import build, outputs, side_of
from watcher.training.running import find_pictures, run_job

# Epochs without a better validation loss after which plain fitting ends, and the most there are.
PATIENCE, MOST = 5, 60


class Silent:
    """Nobody looks on."""

    def stage(self, name: str):
        return lambda done, total: None

    def note(self, text: str) -> None:
        pass


def cached(job: Job, source: Path, folder: Path) -> tuple[float, float]:
    """Seconds and held-out accuracy of `watcher train`."""
    from watcher.clock import utc

    start = time.perf_counter()
    trained = run_job(Registry(folder), job, find_pictures(job, [source]), Silent(), utc, promote=True)
    seconds = time.perf_counter() - start
    return seconds, trained.metrics.accuracy.value


def plain(job: Job, source: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds, held-out accuracy and epochs of `model.fit`."""
    keras = import_keras()
    recipe = job.training
    start = time.perf_counter()
    examples = find_examples(source, job.data.group_by)
    if job.data.pictures:
        examples = sample(examples, job.data.pictures, recipe.seed)
    folder.mkdir()
    material = prepare(examples, side_of(recipe), recipe, folder, Silent())
    keras.utils.set_random_seed(recipe.seed)
    network = build(recipe, len(material.labels))
    pixels = keras.Input(network.features.input_shape[1:])
    changed = augmenter(recipe.augment, side_of(recipe), recipe.seed)(pixels)
    scaled = keras.layers.BatchNormalization()(network.features(changed))
    logits = keras.layers.Dense(len(material.labels))(keras.layers.Dropout(0.3)(scaled))
    model = keras.Model(pixels, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(
        *_side(material, material.parts.training),
        validation_data=_side(material, material.parts.validation),
        epochs=MOST,
        batch_size=32,
        callbacks=[keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    judging, truth = _side(material, material.parts.held_out)
    accuracy = float((outputs(model, judging).argmax(axis=1) == truth).mean())
    return time.perf_counter() - start, accuracy, len(history.history["loss"])


def _side(material: Material, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return material.pixels.array[part].astype(np.float32), material.truth[part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--pictures", type=int)
    given = parser.parse_args()
    job = read_job(given.job)
    if given.weights:
        job = job.model_copy(update={"training": job.training.model_copy(update={"weights": given.weights})})
    if given.pictures:
        job = job.model_copy(update={"data": job.data.model_copy(update={"pictures": given.pictures})})
    import_keras()
    with tempfile.TemporaryDirectory() as folder:
        quick, accuracy = cached(job, given.source, Path(folder) / "models")
        print(f"cached features  {quick:7.1f} s  accuracy {accuracy:.4f}", flush=True)
        slow, other, epochs = plain(job, given.source, Path(folder) / "plain")
        print(f"plain model.fit  {slow:7.1f} s  accuracy {other:.4f}  ({epochs} epochs)")
    print(f"ratio {slow / quick:.1f}, difference in accuracy {accuracy - other:+.4f}")


if __name__ == "__main__":
    main()
