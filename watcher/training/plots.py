"""The report's plots, as pieces of SVG that take their colours from the page, so that they suit light and dark."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from watcher.training.ranking import Ranking
from watcher.training.values import BINS, bins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from watcher.training.history import Epoch
    from watcher.training.ranking import Curve
    from watcher.training.scored import Scored

# Colours that nothing else has, for the page's own to be put in their place.
INK, FAINT, FIRST, SECOND = "#010203", "#040506", "#070809", "#0a0b0c"
_PAGE = {INK: "--ink", FAINT: "--line", FIRST: "--first", SECOND: "--second"}
COLOURS = (FIRST, SECOND, "#2e9e6b", "#b04fc4", "#b58a00", "#d6497b", "#1aa3b8", "#7f7f7f")
"""Of the lines, in their order; the page tells what each stands for, for it knows every script's letters."""
HEAD = "head"  # the phase whose epochs are penalties
POINTS = 400  # of a curve, which is more than an eye tells apart


def rankings_of(scored: Scored) -> list[tuple[str, Curve]]:
    """A curve for the positive label or, of many, for those that are told apart worst (8 at most), the worst first.

    Labels need pictures of their own and pictures of others; without any there is no curve.
    """
    places = range(len(scored.labels)) if scored.positive_place is None else [scored.positive_place]
    found = []
    for place in places:
        own = scored.truth == place
        if own.any() and not own.all():
            ranking = Ranking(scored.scores[:, place], own)
            area, _ = ranking.areas(np.ones(len(scored)))
            found.append((area, scored.labels[place], ranking))
    found.sort(key=lambda one: one[:2])
    return [(label, ranking.curve()) for _, label, ranking in found[: len(COLOURS)]]


def roc(curves: Sequence[tuple[str, Curve]]) -> str:
    """SVG: recall over false alarms, a line for each label."""
    figure, axes = _square("share of the others taken for it", "share of its own found")
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--")
    for number, (_, curve) in enumerate(curves):
        _line(axes, curve.false_positive, curve.recall, number)
    return _svg(figure)


def precision_recall(curves: Sequence[tuple[str, Curve]]) -> str:
    """SVG: precision over recall, a line for each label; in steps, as average precision sums it."""
    figure, axes = _square("share of its own found", "share of those named so that are")
    for number, (_, curve) in enumerate(curves):
        _line(axes, curve.recall, curve.precision, number, "steps-pre")
    return _svg(figure)


def reliability(scored: Scored) -> str:
    """SVG: how often the label is right over how sure the model was, and how many pictures stand behind it."""
    figure = _figure(3.5, 3.7)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    numbers = bins(scored.confidence)
    count = np.bincount(numbers, minlength=BINS)
    used = count > 0
    right = np.bincount(numbers, scored.right, BINS)[used] / count[used]
    sure = np.bincount(numbers, scored.confidence, BINS)[used] / count[used]
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--")
    axes.bar((np.flatnonzero(used) + 0.5) / BINS, right, 0.92 / BINS, color=FIRST, alpha=0.35)
    axes.plot(sure, right, "o-", color=FIRST, markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
    below.bar((np.arange(BINS) + 0.5) / BINS, count, 0.92 / BINS, color=FIRST)
    below.set(xlabel="how sure the model was (score)", ylabel="pictures")
    _style(axes, below)
    return _svg(figure)


def training(history: Sequence[Epoch]) -> str:
    """SVG: losses and accuracy over the epochs, one after another; a dashed line where a phase begins.

    Epochs of the head are penalties that were tried, of any other phase passes over the pictures. The lowest
    validation loss of the last phase is ringed.
    """
    figure = _figure(7.6, 3.0)
    loss, accuracy = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    marker = "o-" if len(history) < 40 else "-"
    loss.plot(epochs, [epoch.loss for epoch in history], marker, color=SECOND, markersize=3)
    loss.plot(epochs, [epoch.validation_loss for epoch in history], marker, color=FIRST, markersize=3)
    accuracy.plot(epochs, [epoch.validation_accuracy for epoch in history], marker, color=FIRST, markersize=3)
    if (best := lowest(history)) is not None:
        for axes, value in ((loss, history[best].validation_loss), (accuracy, history[best].validation_accuracy)):
            axes.plot(best + 1, value, "o", color=FIRST, markersize=10, fillstyle="none")
    across = ", then ".join(dict.fromkeys(_across(epoch) for epoch in history))
    loss.set(xlabel=across, ylabel="loss")
    accuracy.set(xlabel=across, ylabel="accuracy, validation")
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
        for before, epoch in zip(range(len(history)), history[1:], strict=False):
            if epoch.phase != history[before].phase:
                axes.axvline(before + 1.5, color=FAINT, linestyle="--")
    _style(loss, accuracy)
    return _svg(figure)


def lowest(history: Sequence[Epoch]) -> int | None:
    """The place of the lowest validation loss in the last phase, the first of equals; None if none is a number."""
    last = [place for place, epoch in enumerate(history) if epoch.phase == history[-1].phase]
    told = [place for place in last if np.isfinite(history[place].validation_loss)]
    return min(told, key=lambda place: history[place].validation_loss, default=None)


def _across(epoch: Epoch) -> str:
    return "penalty, strong to weak" if epoch.phase == HEAD else "pass"


def _figure(width: float, height: float) -> Figure:
    """Made without pyplot, which keeps every figure and knows one thread."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def css(colour: str) -> str:
    """One of COLOURS as the page writes it."""
    return f"var({_PAGE[colour]})" if colour in _PAGE else colour


def _square(across: str, up: str) -> tuple[Figure, Axes]:
    figure = _figure(3.5, 3.4)
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up)
    _style(axes)
    return figure, axes


def _line(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], number: int, style: str = "default") -> None:
    """A line of at most POINTS points: of equal strides along its length, its corners nearly kept."""
    length = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(0, len(x) - 1))
    axes.plot(x[kept], y[kept], color=COLOURS[number], linewidth=1.8, clip_on=False, drawstyle=style)


def _style(*several: Axes) -> None:
    for axes in several:
        axes.set_facecolor("none")
        axes.grid(visible=True, color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, length=0)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)
        for spine in axes.spines.values():
            spine.set_visible(False)


def _svg(figure: Figure) -> str:
    """The figure as an `<svg>` element as wide as its place, in the page's own type; no address in it."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "watcher"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # a page may name a thing once
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r'^<svg width="[^"]*" height="[^"]*"', '<svg role="img"', text)
    for colour, name in _PAGE.items():
        text = text.replace(colour, f"var({name})")
    return text
