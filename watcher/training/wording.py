"""The figures in words that need no training in statistics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.training.metrics import Measure, Metrics

FEW_GROUPS = 10
NOTHING = "\N{EN DASH}"
_MORE, _LESS = "more than 99.9", "less than 0.1"

MEANING = {
    "accuracy": "Of 100 pictures, how many get their true label.",
    "balanced_accuracy": "The same with every label counting equally, however many pictures it has.",
    "sensitivity": "Of 100 that truly are {positive}, how many it finds.",
    "specificity": "Of 100 that truly are {negative}, how many it calls so.",
    "roc_auc": "How often a picture of {own} gets a higher score for it than one of {others}; "
    "1 is perfect, 0.5 is tossing a coin.",
    "average_precision": "How purely the highest scores for {own} pick out pictures that truly are; 1 is perfect.",
    "calibration_error": "How far its scores are from the truth: at 0.02, of the pictures it is 90 % sure of, "
    "between 88 and 92 of 100 are right, on the whole. 0 is perfect.",
}
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
}


def headline(metrics: Metrics) -> list[str]:
    """What the model is worth, in one sentence or two, and one more where guessing would do as well."""
    guess = beside_guessing(metrics)
    return [*_worth(metrics), *([guess] if guess else [])]


def _worth(metrics: Metrics) -> list[str]:
    if metrics.positive is None:
        return [f"Of 100 pictures it names {_of_100(metrics.accuracy)} rightly{_certainty(metrics.accuracy)}."]
    positive, negative = metrics.positive, the_other(metrics)
    sentences = []
    if metrics.sensitivity.value is not None:
        found = metrics.sensitivity
        sentences.append(f"Of 100 that truly are {positive} it finds {_of_100(found)}{_certainty(found)}.")
    if metrics.specificity.value is not None:
        calm = metrics.specificity
        sentences.append(f"Of 100 that truly are {negative} it calls {_of_100(calm)} so{_certainty(calm)}.")
    return sentences


def beside_guessing(metrics: Metrics) -> str | None:
    """What to know where the model is not surely better than always saying the commonest label; else None."""
    pictures = Counter[str]()
    for cell in metrics.confusion:
        pictures[cell.truth] += cell.pictures
    accuracy, balanced = metrics.accuracy.value, metrics.balanced_accuracy
    if len(pictures) < 2 or accuracy is None or balanced.value is None:
        return None
    # Of labels with as many pictures the first by name, whatever order they come in.
    commonest, count = min(pictures.items(), key=lambda one: (-one[1], one[0]))
    right = f"right for {hundred(count / metrics.pictures)} of 100"
    tells_apart = (balanced.value if balanced.low is None else balanced.low) > 1 / len(pictures)
    if accuracy <= count / metrics.pictures:
        if tells_apart:
            return f"Always saying {commonest} would be {right}, which is no less, but would find none of the others."
        return (
            f"That is no better than always saying {commonest}, which would be {right}: the model is of no use yet. "
            "Look whether the labels are right, and give it more pictures or another base."
        )
    if not tells_apart:
        return (
            f"That may be no better than always saying {commonest}, which would be {right}: more pictures would tell."
        )
    return None


def meaning(name: str, metrics: Metrics) -> str:
    """What a figure of Metrics, by its field's name, tells."""
    if metrics.positive is None:
        words = {"own": "a label", "others": "another"}
    else:
        positive, negative = metrics.positive, the_other(metrics)
        words = {"own": positive, "others": negative, "positive": positive, "negative": negative}
    return MEANING[name].format(**words)


def caution(metrics: Metrics) -> str | None:
    """What to keep in mind about the intervals."""
    if metrics.groups == 1:
        return (
            "All pictures are of one group, so nothing can be said about how the model does on others: "
            "there are no intervals. Name the groups (slides, patients, cameras) with sub-folders or --group-by."
        )
    if metrics.rounds and metrics.groups < FEW_GROUPS:
        return (
            f"There are only {metrics.groups} groups. Intervals from so few are rough and rather too narrow: "
            "trust them only when there are ten groups or more."
        )
    if metrics.groups == metrics.pictures:
        return (
            "Every picture counts as a group of its own. If several show one slide, patient or camera, the "
            "intervals are too narrow: name the groups with sub-folders or --group-by."
        )
    return None


def the_other(metrics: Metrics) -> str:
    """Of two labels, the one that is not the positive."""
    return next(label for label in metrics.labels if label != metrics.positive)


def number(share: float | None) -> str:
    """Three decimals; a dash for what cannot be told. What is not quite 1 or 0 is never rounded to it."""
    if share is None:
        return NOTHING
    text = f"{share:.3f}"
    return text if share in (0.0, 1.0) or text not in ("0.000", "1.000") else ("> 0.999" if share > 0.5 else "< 0.001")


def interval(measure: Measure) -> str:
    """`0.951 to 0.972`, or why there is none."""
    if measure.low is None or measure.high is None:
        return NOTHING
    return f"{number(measure.low)} to {number(measure.high)}"


def hundred(share: float) -> str:
    """A share as so many of 100, with one decimal at most; only all are 100, only none 0."""
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        return _MORE
    if text == "0.0" and share > 0:
        return _LESS
    return text.removesuffix(".0")


def _of_100(measure: Measure) -> str:
    return hundred(measure.value or 0.0)


def _certainty(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    low, high = hundred(measure.low), hundred(measure.high)
    if low == _MORE or high == _LESS:
        return f" (with 95 % certainty {low if low == _MORE else high})"
    if low == high:
        return f" (with 95 % certainty about {low})"
    return f" (with 95 % certainty between {low} and {high})"
