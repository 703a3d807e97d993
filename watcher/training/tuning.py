"""The second phase: the top of the base and the head are trained on, slowly, over changed pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from watcher.models.package import import_keras
from watcher.training.fitting import Fit
from watcher.training.network import outputs

if TYPE_CHECKING:
    import keras

    from watcher.training.fitting import Batch
    from watcher.training.lesson import Lesson
    from watcher.training.network import Network
    from watcher.training.recipe import Recipe


# Weights are averaged over at most this part of all steps, as 1 / AVERAGED.
AVERAGED = 5


def tuning(network: Network, augment: keras.Model, lesson: Lesson, recipe: Recipe, precision: str) -> Fit:
    """The top of the base and the head, by AdamW with a warm-up and a cosine (Loshchilov and Hutter 2019)."""
    keras = import_keras()
    settings = recipe.fine_tune
    unfreeze(network.base, settings.top)
    joined = network.joined()
    pixels = keras.Input(joined.input_shape[1:], name="rgb")
    model = keras.Model(pixels, joined(augment(pixels)), name="tuned")
    batch = min(settings.batch_size, len(lesson.targets))
    steps = len(lesson.targets) // batch
    optimizer = _optimizer(recipe, steps)
    if precision == "mixed_float16":  # whose smallest gradients would vanish
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)

    def batches(epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(lesson.targets))
        for start in range(0, steps * batch, batch):
            chosen = np.sort(order[start : start + batch])  # in the order of the file
            yield lesson.inputs[chosen].astype(np.float32), lesson.targets[chosen], lesson.weights[chosen]

    return Fit(
        phase="fine-tuning",
        model=model,
        kept=joined,
        batches=batches,
        steps=steps,
        validate=lambda: outputs(joined, lesson.validation_inputs),
        truth=lesson.validation_truth,
        epochs=settings.epochs,
        patience=settings.patience,
    )


def _optimizer(recipe: Recipe, steps: int) -> keras.Optimizer:
    keras = import_keras()
    settings = recipe.fine_tune
    warm_up = max(1, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 100,
        max(1, settings.epochs * steps - warm_up),
        warmup_target=settings.learning_rate,
        warmup_steps=warm_up,
    )
    # Of few steps the first weights would be most of a long average.
    momentum = min(settings.averaging, max(0.0, 1 - AVERAGED / max(1, settings.epochs * steps)))
    averaging = {"use_ema": True, "ema_momentum": momentum} if momentum else {}
    return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=1.0, **averaging)


def unfreeze(base: keras.Model, top: float) -> None:
    """Lets the last part `top` of the layers that have weights be trained."""
    weighted = [layer for layer in base.layers if layer.weights]
    base.trainable = True
    for number, layer in enumerate(weighted):
        layer.trainable = number >= round(len(weighted) * (1 - top))
