"""The report: one page that needs nothing else, whatever the labels and files are called."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import homes
import numpy as np
import pytest
from scores import drawn, of_two, scored

from watcher.training.history import Epoch
from watcher.training.metrics import Metrics, measure
from watcher.training.mistakes import least_certain, worst
from watcher.training.plots import lowest, training
from watcher.training.report import is_report, write_report
from watcher.training.scored import Scored
from watcher.training.wording import hundred, number

VOID = {"meta", "img", "br"}
HISTORY = [Epoch("head", n, 1.0, 0.6 / n, 0.7 / n, 0.8) for n in (1, 2, 3)] + [Epoch("whole", 1, 9.0, 0.1, 0.3, 0.9)]


class Page(HTMLParser):
    """What is in a page; fails where elements are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def written(folder: Path, some: Scored, **more: object) -> tuple[Page, Metrics]:
    """The page and the figures of a report."""
    metrics = measure(some, rounds=50)
    options: dict[str, object] = {"title": "A model", "facts": {"Model": "tiny/1"}} | more
    write_report(folder, some, metrics, **options)  # type: ignore[arg-type]
    assert homes.paths(folder) == {"report.html", "metrics.json"}
    return Page((folder / "report.html").read_text("utf-8")), metrics


def pictures(folder: Path, count: int) -> list[Path]:
    for place in range(count):
        homes.drop(folder, f"{place}.png", homes.picture("red", place))
    return [folder / f"{place}.png" for place in range(count)]


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    """No address leads out of it, it runs no program, and it is small enough to be sent."""
    some = drawn(60, 2, 6)
    some = scored(some.truth.tolist(), some.scores, some.groups, ("well", "ill"), pictures(tmp_path / "in", 60))
    page, metrics = written(tmp_path / "out", some, history=HISTORY)
    text = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert len(text) < 3_000_000
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    links = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert links and all(str(value).startswith(("data:image/jpeg;base64,", "#")) for value in links)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.tags.count("svg") == 4
    assert page.tags.count("img") == min(24, metrics.mistakes) + 12
    names = [value for name, value in page.attributes if name == "id" and not str(value).startswith(("m", "p"))]
    assert len(names) == len(set(names))


def test_the_headline_says_it_in_words(tmp_path: Path) -> None:
    """Of those that truly are ill, how many it finds, and how sure that is."""
    truth = [1] * 100 + [0] * 100
    right = ([True] * 9 + [False]) * 10 + ([True] * 19 + [False]) * 5
    score = [0.9 if (t == 1) == r else 0.1 for t, r in zip(truth, right, strict=True)]
    some = of_two(truth, score, [place % 50 for place in range(200)])
    page, found = written(tmp_path, some)
    assert "Of 100 that truly are label 1 it finds 90 (with 95 % certainty between" in page.text
    assert "Of 100 that truly are label 0 it calls 95 so" in page.text
    assert "200 pictures of 50 groups, with 15 wrong" in page.text
    assert Metrics.model_validate_json((tmp_path / "metrics.json").read_bytes()) == found


def test_nothing_is_said_of_what_no_picture_shows(tmp_path: Path) -> None:
    """Without a picture that truly is ill, there is no word on how many it finds."""
    page, _ = written(tmp_path, of_two([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.8], "aabb"))
    assert "Of 100 that truly are label 0 it calls 75 so" in page.text
    assert "it finds" not in page.text.split("The figures")[0]


@pytest.mark.parametrize(
    ("share", "three", "of_100"),
    [
        (0.0, "0.000", "0"),
        (1.0, "1.000", "100"),
        (0.99996, "> 0.999", "more than 99.9"),
        (0.00004, "< 0.001", "less than 0.1"),
        (0.9575, "0.958", "95.8"),
        (0.5, "0.500", "50"),
    ],
)
def test_rounding_makes_nothing_perfect(share: float, three: str, of_100: str) -> None:
    """Only what is all or none is told so."""
    assert (number(share), hundred(share)) == (three, of_100)


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    """Labels, files, groups, facts and notes with quotes and tags, dollars and any script are shown as they are."""
    evil = "\"'><script>alert(1)</script>"
    labels = (evil, "$x^2$ & $", "日本語", "عربي")
    some = drawn(40, 4, 3)
    paths = [Path(f"{evil}{place}.png") for place in range(40)]
    some = scored(some.truth.tolist(), some.scores, [f"<b>{group}" for group in some.groups], labels, paths)
    page, _ = written(
        tmp_path, some, title=f"Is $title {evil}?", facts={evil: evil}, notes=[evil, "\udce9"], history=HISTORY
    )
    assert not {"script", "b>0"} & set(page.tags)
    for label in labels:
        assert f"it says {label}" in page.text
    assert f"Is $title {evil}?" in page.text
    about = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert about["facts"] == {evil: evil}


def test_two_hundred_labels_become_pairs(tmp_path: Path) -> None:
    """A matrix of 40,000 fields tells nobody anything; the pairs that are most often confused do."""
    page, found = written(tmp_path, drawn(500, 200, 60))
    [first] = sorted((c for c in found.confusion if c.truth != c.said), key=lambda c: (-c.pictures, c.truth, c.said))[
        :1
    ]
    cells = page.text[page.text.index("taken for one another") :]
    assert cells.index(first.truth) < cells.index("Each label")
    assert "labels that it finds better" in page.text
    assert "groups that do better" in page.text
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_a_perfect_model_of_many_labels_confuses_none(tmp_path: Path) -> None:
    """And has no mistakes to show."""
    page, _ = written(tmp_path, scored(list(range(20)), np.eye(20)))
    assert "No label was taken for another" in page.text
    assert "It made none." in page.text
    assert "Of 100 pictures it names 100 rightly" in page.text


def test_few_or_single_groups_are_warned_of(tmp_path: Path) -> None:
    """Whoever reads an interval must know what it rests on."""
    truth, score = [0, 1] * 20, [0.2, 0.8, 0.6, 0.7] * 10
    one, _ = written(tmp_path / "1", of_two(truth, score, "a" * 40))
    few, _ = written(tmp_path / "2", of_two(truth, score, [place // 10 for place in range(40)]))
    own, _ = written(tmp_path / "3", of_two(truth, score))
    many, _ = written(tmp_path / "4", of_two(truth, score, [place // 2 for place in range(40)]))
    assert "All pictures are of one group" in one.text and "Each group" not in one.text
    assert "only 4 groups" in few.text
    assert "a group of its own" in own.text and "Each group" not in own.text
    assert not [name for name, value in many.attributes if value == "caution"]


def test_training_curves_say_what_they_show(tmp_path: Path) -> None:
    """The head's points are penalties and not passes; validation pictures are chosen by, and so not held out."""
    head, tuned = HISTORY[:3], HISTORY
    only, _ = written(tmp_path / "1", drawn(20, 2, 3), history=head)
    both, _ = written(tmp_path / "2", drawn(20, 2, 3), history=tuned)
    assert only.text.count("penalty, strong to weak") == 2 and "then pass" not in only.text
    assert "The head that was kept has the strongest penalty" in only.text
    assert "penalty, strong to weak, then pass" in both.text
    assert "the model as it was then is the one that was kept" in both.text
    for page in (only, both):
        assert "accuracy, validation" in page.text and "held out" not in page.text
    assert (lowest(head), lowest(tuned), lowest([])) == (2, 3, None)
    astray = [Epoch("head", number, 1.0, 1.0, math.inf, 0.5) for number in (1, 2)]
    assert lowest(astray) is None and "<svg" in training(astray)


def test_one_label_has_no_curves_but_a_report(tmp_path: Path) -> None:
    """What cannot be drawn is left out; how sure it is can still be."""
    page, _ = written(tmp_path, of_two([1, 1, 1], [0.9, 0.2, 0.8], "aab"))
    assert page.tags.count("svg") == 1
    assert "ROC AUC" not in page.text
    assert "specificity" not in page.text.split("What it confuses")[0]


def test_the_worst_mistakes_come_first(tmp_path: Path) -> None:
    """Wrong, and the surest of it; then those it could not decide."""
    paths = pictures(tmp_path, 5)
    paths[2].write_bytes(b"no picture")
    paths[3].unlink()
    some = of_two([1, 0, 0, 0, 1], [0.4, 0.7, 0.99, 0.8, 0.95])
    some = scored(some.truth.tolist(), some.scores, paths=paths)
    shown = worst(some)
    assert [one.name for one in shown] == ["2.png", "3.png", "1.png", "0.png"]
    assert [one.picture is None for one in shown] == [True, True, False, False]
    assert (shown[0].truth, shown[0].said) == ("label 0", "label 1")
    assert shown[0].score == pytest.approx(0.99)
    assert [one.name for one in least_certain(some)] == ["0.png", "1.png", "3.png", "4.png", "2.png"]
    page, _ = written(tmp_path / "out", some)
    assert page.text.count("can no longer be read") == 4  # among the mistakes, and among the uncertain


def test_a_report_is_whole_or_not_there(tmp_path: Path) -> None:
    """A disk that fails half-way leaves the earlier report, and no scraps."""
    some = drawn(20, 2, 3)
    written(tmp_path, some)
    before = (tmp_path / "metrics.json").read_bytes()
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(tmp_path, some, measure(some, rounds=2), title="", facts={})
    assert homes.paths(tmp_path) == {"metrics.json"}
    assert (tmp_path / "metrics.json").read_bytes() == before


def test_a_report_is_known_by_what_it_holds(tmp_path: Path) -> None:
    """So that only reports are replaced by reports."""
    assert not is_report(tmp_path)
    written(tmp_path, drawn(20, 2, 3))
    assert is_report(tmp_path)
    (tmp_path / "mine.txt").touch()
    assert not is_report(tmp_path)
    (tmp_path / "mine.txt").unlink()
    (tmp_path / "metrics.json").write_text('{"accuracy": 1}')
    assert not is_report(tmp_path)
