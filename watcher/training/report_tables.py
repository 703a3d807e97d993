"""The report's tables, as HTML. Every name comes from files and models, so every name is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeAlias

from watcher.training.values import WHOLE
from watcher.training.wording import NAMES, hundred, interval, meaning, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.training.metrics import Cell, LabelFigures, Measure, Metrics

MATRIX = 12  # labels whose confusion matrix still fits a page
SCREEN = 20  # lines, beyond which a table is scrolled
MOST_GROUPS, MOST_LABELS, MOST_PAIRS = 50, 50, 30

# A table's cell: a name, which may be long, or a number, already written.
Name: TypeAlias = str
Number: TypeAlias = tuple[str]


def table(head: Sequence[Name | Number], rows: Iterable[Sequence[Name | Number]]) -> str:
    """A table; a text in a tuple is a number and stands to the right."""
    lines = ["<tr>" + "".join(_cell("th", cell) for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(_cell("td", cell) for cell in row) + "</tr>" for row in rows]
    tall = " tall" if len(lines) > SCREEN else ""
    return f'<div class="wide{tall}"><table>' + "\n".join(lines) + "</table></div>"


def _cell(tag: str, cell: Name | Number) -> str:
    if isinstance(cell, tuple):
        return f'<{tag} class="n">{escape(cell[0])}</{tag}>'
    return f'<{tag} class="name">{escape(cell)}</{tag}>'


def figures(metrics: Metrics) -> str:
    """Each figure as a whole, with its interval and what it means; those that cannot be told are left out."""
    lines = ['<tr><th>figure</th><th class="n">value</th><th class="n">95 % interval</th></tr>']
    for name in WHOLE:
        measure: Measure = getattr(metrics, name)
        if measure.value is not None:
            lines.append(
                f'<tr><td><b>{NAMES[name]}</b><br><span class="quiet">{escape(meaning(name, metrics))}</span></td>'
                f'<td class="n">{escape(number(measure.value))}</td><td class="n">{escape(interval(measure))}</td></tr>'
            )
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def confusion(metrics: Metrics) -> str:
    """The confusion matrix, counts and shares; of many labels the pairs that are most often confused."""
    return _matrix(metrics) if len(metrics.labels) <= MATRIX else _pairs(metrics)


def _matrix(metrics: Metrics) -> str:
    cells = {(cell.truth, cell.said): cell for cell in metrics.confusion}
    head = "".join(f'<th class="name">it says {escape(label)}</th>' for label in metrics.labels)
    lines = [f"<tr><th></th>{head}</tr>"]
    for truth in metrics.labels:
        fields = "".join(_field(cells.get((truth, said)), true=truth == said) for said in metrics.labels)
        lines.append(f'<tr><th class="name">truly {escape(truth)}</th>{fields}</tr>')
    return '<div class="wide"><table class="confusion">' + "\n".join(lines) + "</table></div>"


def _field(cell: Cell | None, *, true: bool) -> str:
    kind = "cell true" if true else "cell"
    if cell is None or cell.share.value is None:
        return f'<td class="{kind}" style="--share:0"><b>0</b></td>'
    sure = ""
    if cell.share.low is not None and cell.share.high is not None:
        sure = f'<br><span class="quiet">{hundred(cell.share.low)} to {hundred(cell.share.high)} %</span>'
    return (
        f'<td class="{kind}" style="--share:{cell.share.value:.3f}"><b>{cell.pictures:,}</b>'
        f"{hundred(cell.share.value)} %{sure}</td>"
    )


def _pairs(metrics: Metrics) -> str:
    wrong = sorted(
        (cell for cell in metrics.confusion if cell.truth != cell.said),
        key=lambda cell: (-cell.pictures, cell.truth, cell.said),
    )
    if not wrong:
        return "<p>No label was taken for another.</p>"
    rows = (
        (cell.truth, cell.said, (f"{cell.pictures:,}",), (f"{hundred(cell.share.value or 0)} %",))
        for cell in wrong[:MOST_PAIRS]
    )
    return table(("truly", "it says", ("pictures",), ("of the truth's",)), rows)


def labels(metrics: Metrics) -> str:
    """The labels by how rarely they are found; those without pictures are told below."""
    told = sorted((one for one in metrics.each_label if one.pictures), key=_recall)
    rows = [
        (
            one.label,
            (f"{one.pictures:,}",),
            (number(one.recall.value),),
            (interval(one.recall),),
            (number(one.precision.value),),
            (interval(one.precision),),
        )
        for one in told[:MOST_LABELS]
    ]
    head = ("label", ("pictures",), ("found",), ("95 % interval",), ("rightly named so",), ("95 % interval",))
    more = len(told) - len(rows)
    return table(head, rows) + (f'<p class="quiet">And {more:,} labels that it finds better.</p>' if more else "")


def _recall(one: LabelFigures) -> tuple[float, str]:
    return (one.recall.value or 0.0, one.label)


def groups(metrics: Metrics) -> str:
    """The groups by accuracy, the worst first; 50 at most."""
    ordered = sorted(metrics.each_group, key=lambda group: (group.accuracy.value or 0.0, -group.pictures, group.group))
    two = metrics.positive is not None
    rows = []
    for group in ordered[:MOST_GROUPS]:
        row: list[Name | Number] = [group.group, (f"{group.pictures:,}",), (f"{group.mistakes:,}",)]
        row += [(number(group.accuracy.value),), (interval(group.accuracy),)]
        if two:
            row += [(number(group.sensitivity.value),), (number(group.specificity.value),)]
        rows.append(row)
    head: list[Name | Number] = ["group", ("pictures",), ("mistakes",), ("accuracy",), ("95 % interval",)]
    head += [("sensitivity",), ("specificity",)] if two else []
    more = len(ordered) - len(rows)
    return table(head, rows) + (f'<p class="quiet">And {more:,} groups that do better.</p>' if more else "")
