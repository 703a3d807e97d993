"""deploy/alerts.yaml: Prometheus understands every rule, and asks of each figure what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HANDBOOK = (ROOT / "deploy" / "README.md").read_text("utf-8")
GROUPS = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text("utf-8"))["groups"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
# What Prometheus has of every target itself.
ITS_OWN = {"up": {"job", "instance"}}
# What the handbook's own texts may name: labels of every figure, and what stands for the value.
EVERYWHERE = {"instance", "job"}
promql = pytest.importorskip("promql_parser", reason="promql-parser is not here: it comes with the extra dev")
each_rule = pytest.mark.parametrize("name", RULES)


def in_the_code() -> set[str]:
    """The names of the figures, as a daemon serves them."""
    service = ROOT / "watcher" / "service"
    text = (service / "metrics.py").read_text("utf-8") + (service / "tally.py").read_text("utf-8")
    counters = set(re.findall(r'Counter(?:MetricFamily)?\(\s*"(watcher_\w+)"', text))
    return {f"{name}_total" if name in counters else name for name in re.findall(r'"(watcher_[a-z_]+)"', text)}


def in_the_handbook() -> dict[str, set[str]]:
    """The figures of its table, each with its labels."""
    table = HANDBOOK[HANDBOOK.index("| figure | means |") :].split("\n\n")[0]
    cells = " ".join(line.split("|")[1] for line in table.splitlines())
    return {
        name: set(filter(None, labels.split(",")))
        for name, labels in re.findall(r"(watcher_\w+)(?:{([\w,]+)})?", cells)
    }


def selectors(node: Any) -> Iterator[Any]:
    """Every place of an expression where a figure is asked for."""
    if isinstance(node, promql.VectorSelector):
        yield node
    for part in ("lhs", "rhs", "expr", "vector_selector"):
        if (inner := getattr(node, part, None)) is not None:
            yield from selectors(inner)
    for argument in getattr(node, "args", ()):
        yield from selectors(argument)


def test_the_handbook_says_of_every_figure_what_it_means() -> None:
    """And of none that is not there."""
    assert in_the_handbook().keys() == in_the_code()


@each_rule
def test_a_rule_asks_for_figures_and_labels_that_there_are(name: str) -> None:
    """One that asks for others is never true, and nobody is told."""
    known = in_the_handbook() | ITS_OWN
    found = list(selectors(promql.parse(RULES[name]["expr"])))
    assert found
    for selector in found:
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known[selector.name], selector.name


@each_rule
def test_a_rule_says_what_has_happened_and_what_to_do(name: str) -> None:
    """What it fills in is there, what is to be read exists, and each command is one."""
    rule = RULES[name]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    text = f"{rule['annotations']['summary']} {rule['annotations']['action']}"
    labels = set(re.findall(r"\$labels\.(\w+)", text))
    known = set().union(*in_the_handbook().values())
    assert labels <= known | EVERYWHERE
    for heading in re.findall(r"README\.md, ([^;]+)$", text):
        assert f"**{heading}**" in HANDBOOK, heading


def test_a_rule_with_a_fault_would_be_found() -> None:
    with pytest.raises(ValueError, match="invalid"):
        promql.parse("sum by (rate(x[1h]))")
    assert [each.name for each in selectors(promql.parse("a > 2 * sum(rate(b[1h])) or absent(c)"))] == ["a", "b", "c"]
