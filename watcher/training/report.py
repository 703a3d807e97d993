"""`metrics.json` and `report.html`: what a model is worth, for programs and for people."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from watcher.training import plots, report_tables
from watcher.training.mistakes import least_certain, worst
from watcher.training.plots import HEAD
from watcher.training.wording import caution, headline, hundred

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.training.history import Epoch
    from watcher.training.metrics import Metrics
    from watcher.training.mistakes import Shown
    from watcher.training.scored import Scored

METRICS, REPORT = "metrics.json", "report.html"
PAGE = Path(__file__).with_name("report_page.html")


def write_report(
    folder: Path,
    scored: Scored,
    metrics: Metrics,
    *,
    title: str,
    facts: Mapping[str, str],
    history: Sequence[Epoch] = (),
    notes: Sequence[str] = (),
) -> None:
    """Writes `metrics.json` and `report.html` into `folder`, which is made; each is whole or not there.

    `metrics` are those of `scored`. `facts` say what model, data and settings it was, `notes` what else is to be
    known (unreadable pictures, duplicates). The page needs no other file and asks no network. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = Template(PAGE.read_text("utf-8"))
    body = "\n".join(_sections(scored, metrics, facts, history, notes))
    _write(folder / REPORT, page.substitute(title=escape(title), body=body))
    _write(folder / METRICS, metrics_json(metrics, title, facts, notes))


def metrics_json(metrics: Metrics, title: str, facts: Mapping[str, str], notes: Sequence[str]) -> str:
    """The text of `metrics.json`: what it is about, then the fields of Metrics, which reads it back."""
    about = {"title": title, "facts": dict(facts), "notes": list(notes)}
    return json.dumps(about | metrics.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def is_report(folder: Path) -> bool:
    """Whether what stands in a folder is a report of ours, and may be replaced by the next."""
    from pydantic import ValidationError

    from watcher.training.metrics import Metrics

    try:
        Metrics.model_validate_json((folder / METRICS).read_bytes())
    except (OSError, ValidationError):
        return False
    return {entry.name for entry in folder.iterdir()} <= {METRICS, REPORT}


def _write(path: Path, text: str) -> None:
    half = path.with_name(f".{path.name}.tmp")
    try:
        with half.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _sections(
    scored: Scored, metrics: Metrics, facts: Mapping[str, str], history: Sequence[Epoch], notes: Sequence[str]
) -> list[str]:
    found = [_opening(metrics), _section("The figures", _FIGURES, report_tables.figures(metrics))]
    matrix = len(metrics.labels) <= report_tables.MATRIX
    found.append(_section("What it confuses", _MATRIX if matrix else _PAIRS, report_tables.confusion(metrics)))
    if metrics.positive is None:
        found.append(_section("Each label", _LABELS, report_tables.labels(metrics)))
    found.append(_section("Curves", "", _curves(scored)))
    if history:
        found.append(_section("How it learned", _TRAINING, _training(history)))
    if metrics.each_group and metrics.groups > 1:
        found.append(_section("Each group", _GROUPS, report_tables.groups(metrics)))
    found.append(_section("Its worst mistakes", _WORST, _pictures(worst(scored)) or "<p>It made none.</p>"))
    found.append(_section("Where it was least certain", _UNSURE, _pictures(least_certain(scored))))
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    found.append(_section("What was measured", "", f"<dl>{pairs}</dl>"))
    if notes:
        found.append(_section("Notes", "", "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"))
    return found


_FIGURES = (
    "The interval says between which values the figure would probably lie on other groups like these; "
    "it comes from drawing whole groups again and again or, where that changes nothing, as where there is no mistake, "
    "from the number of pictures (Wilson)."
)
_MATRIX = "Each row holds the pictures of one truth. What lies in the framed fields is right, all else is a mistake."
_PAIRS = "The labels that are most often taken for one another."
_LABELS = "Found: of the pictures that truly are so, the share it calls so. Those it finds least come first."
_TRAINING = (
    "The loss should fall and then stay level on the validation pictures, which it does not learn from but is chosen "
    "by; where that rises while the other falls, it began to learn by heart."
)
_GROUPS = (
    "The worst first. A group that stands out may be stained or lit differently, or have wrong labels. "
    "The interval takes the pictures of a group for independent of each other (Wilson)."
)
_WORST = "Wrong, and the surest of it. Look at them: at times it is the label that is wrong."
_UNSURE = "Its two best labels came closest here, whether it was right or not."


def _section(title: str, lead: str, content: str) -> str:
    explained = f'<p class="quiet">{escape(lead)}</p>' if lead else ""
    return f"<section><h2>{escape(title)}</h2>{explained}{content}</section>"


def _opening(metrics: Metrics) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in headline(metrics))
    groups = f"{metrics.groups:,} group{'' if metrics.groups == 1 else 's'}"
    pictures = f"{metrics.pictures:,} picture{'' if metrics.pictures == 1 else 's'}"
    basis = f'<p class="quiet">Measured on {pictures} of {groups}, with {metrics.mistakes:,} wrong.</p>'
    warned = caution(metrics)
    careful = f'<p class="caution">{escape(warned)}</p>' if warned else ""
    return f'<div class="headline">{said}{basis}</div>{careful}'


def _curves(scored: Scored) -> str:
    curves = plots.rankings_of(scored)
    several = [label for label, _ in curves] if len(curves) > 1 else []
    key = _key(list(zip(several, plots.COLOURS, strict=False)))
    found = []
    if curves:
        found = [
            _figure(
                plots.roc(curves),
                f"ROC curve. The closer to the upper left corner, the better.{_WORST_LABELS[bool(several)]}",
            ),
            _figure(
                plots.precision_recall(curves),
                "Precision and recall. The closer to the upper right corner, the better.",
            ),
        ]
    found.append(
        _figure(
            plots.reliability(scored),
            "Reliability. On the dashed line a score means what it says: of the pictures it is 80 % sure of, 80 of 100 "
            "are right. Below the line it is too sure of itself, above it too modest.",
        )
    )
    return f'{key}<div class="plots">{"".join(found)}</div>'


def _training(history: Sequence[Epoch]) -> str:
    key = _key([("pictures it learned from", plots.SECOND), ("validation pictures", plots.FIRST)])
    phases = {epoch.phase for epoch in history}
    told = [_TRIES] if HEAD in phases else []
    told += ["Loss and accuracy after each pass over the pictures."] if phases - {HEAD} else []
    told += ["The dashed line is where the one ends and the other begins."] if len(phases) > 1 else []
    ring = _RING if phases - {HEAD} else _RING_OF_HEAD
    return key + _figure(plots.training(history), " ".join([*told, ring]))


_TRIES = (
    "The head is not taught in passes: it is solved anew with one penalty after another, from a strong one, which "
    "lets only the plainest signs count, to weak ones. Each point is one of them."
)
_RING = "Ringed is the lowest loss on the validation pictures: the model as it was then is the one that was kept."
_RING_OF_HEAD = (
    "Ringed is the lowest loss on the validation pictures. The head that was kept has the strongest penalty that does "
    "as well, as far as so many pictures can tell."
)
_WORST_LABELS = {False: "", True: " A line for each label, or for the eight that are told apart worst."}


def _key(entries: Sequence[tuple[str, str]]) -> str:
    spans = (
        f'<span class="key"><i style="background:{plots.css(colour)}"></i>{escape(label)}</span>'
        for label, colour in entries
    )
    return f"<p>{''.join(spans)}</p>" if entries else ""


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _pictures(shown: Sequence[Shown]) -> str:
    items = "".join(f"<li>{_picture(one)}</li>" for one in shown)
    return f'<ul class="pictures">{items}</ul>' if items else ""


def _picture(one: Shown) -> str:
    name, truth, said = escape(one.name), escape(one.truth), escape(one.said)
    image = (
        f'<img src="{one.picture}" alt="{name}" loading="lazy">'
        if one.picture
        else '<div class="gone">can no longer be read</div>'
    )
    right = one.said == one.truth
    verdict = f'<span class="{"right" if right else "wrong"}">{"right" if right else "wrong"}, {hundred(one.score)} % sure</span>'
    return (
        f"{image}<span>it says <b>{said}</b></span><span>truly <b>{truth}</b></span>{verdict}"
        f'<span class="file" title="{escape(one.group)}">{name}</span>'
    )
