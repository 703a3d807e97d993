"""What commands print does no harm: not to a terminal, not in a spreadsheet, whatever files and labels are called."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from homes import NOON, PATIENCE_SECONDS, drop, make, picture, watcher
from hypothesis import given
from hypothesis import strategies as st

from watcher.cli.harmless import harmless
from watcher.formulas import defused
from watcher.home import Home
from watcher.results import Database, Finished, ModelVersion, Prediction, State

# Sets a title, clears the screen, rings, turns the direction of writing, and so on; C1 is a control in eight bits.
EVIL = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.exe\u2066\x7f\u2028"
# All that may be left are tabs, line feeds and, where tables and bars are drawn, rich's own colours and cursor.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\x1b(?!\\[[0-9;?]*[mKAhl])"
)
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "\uff1d1"]


def record(home: Home, *texts: str) -> None:
    """Results whose names, groups, labels and reasons are these texts, however they got there."""
    rows = [
        Finished(
            claim=f"{number:016}",
            name=text,
            path=f"{text}/{text}",
            group=text,
            size=1,
            state=State.DONE,
            received_at=NOON,
            finished_at=NOON,
            attempts=1,
            reason=text,
            model=ModelVersion(model="tiny", version=1, digest="d" * 64, engine="graph"),
            predictions=(Prediction(label=text, score=0.25),),
        )
        for number, text in enumerate(texts)
    ]
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        database.record(rows)


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return make(tmp_path / "home", tiny_home_models)


def at_a_terminal(*words: str | Path) -> str:
    """All that a command shows there."""
    terminal, end = pty.openpty()
    with subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=end, stderr=end) as process:
        os.close(end)
        shown = bytearray()
        try:
            while more := os.read(terminal, 65536):
                shown += more
        except OSError:
            pass  # a terminal whose last program has ended
        process.wait(PATIENCE_SECONDS)
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


def say(home: Path, *words: str | Path) -> Sequence[str | Path]:
    return (sys.executable, "-m", "watcher", "--home", home, *words)


class TestTerminal:
    """Names reach a terminal as text that can be read."""

    @pytest.mark.parametrize("form", ["table", "json", "csv"])
    def test_of_results(self, home: Home, form: str) -> None:
        """Even if the database holds what no picture could have brought there."""
        record(home, EVIL)
        shown = at_a_terminal(*say(home.root, "results", "--format", form))
        assert not HARMFUL.search(shown), shown
        assert "\\u0" in shown
        if form == "json":
            (row,) = json.loads(shown)
            assert row["label"] == EVIL

    @pytest.mark.parametrize(
        "words",
        [
            ["status"],
            ["jobs", "validate"],
            ["jobs", "list"],
            ["--debug", "jobs", "validate", EVIL],
            ["classify", EVIL],
            ["classify", "."],
            ["test", EVIL],
            ["models", "show", EVIL],
            ["results", "--label", "x", EVIL],
            [EVIL],
        ],
        ids=str,
    )
    def test_of_what_is_there_and_of_what_is_wrong(self, home: Home, words: list[str]) -> None:
        """Files that are left alone, job files, arguments, faults and their tracebacks."""
        name = os.fsencode(EVIL.replace("\x00", "")) + b"\xff"
        (home.jobs / os.fsdecode(name + b".toml")).write_text("x = 1")
        drop(home.inbox, name + b".txt", b"x")
        (home.inbox / os.fsdecode(name + b".png")).symlink_to("x")
        first = ["--debug"] * (words[0] == "--debug")
        command = [sys.executable, "-m", "watcher", *first, "--home", home.root, *words[len(first) :]]
        shown = at_a_terminal(*command)
        assert shown
        assert not HARMFUL.search(shown), repr(shown)

    def test_of_a_home_with_such_a_name(self, tmp_path: Path) -> None:
        """That is not there, cannot be made, or has a fault in its settings."""
        root = tmp_path / EVIL
        assert not HARMFUL.search(at_a_terminal(*say(root, "status")))
        assert not HARMFUL.search(at_a_terminal(*say(root, "init")))
        (root / "watcher.toml").write_text(f"x = '{EVIL.replace(chr(13), '')}'".encode().decode())
        assert not HARMFUL.search(at_a_terminal(*say(root, "status")))
        (tmp_path / "file").touch()
        assert not HARMFUL.search(at_a_terminal(*say(tmp_path / "file" / EVIL, "init")))

    @pytest.mark.parametrize("terminal", [True, False])
    def test_of_the_log(self, terminal: bool) -> None:
        """On a terminal with its colours, else as JSON that means the same."""
        code = (
            "import structlog; from watcher.cli.harmless import guard_streams; from watcher.cli import logs\n"
            "guard_streams(); logs.configure()\n"
            f"structlog.get_logger().warning('taken', path={EVIL!r}, count=2)"
        )
        if terminal:
            shown = at_a_terminal(sys.executable, "-c", code)
            assert "\x1b[3" in shown
        else:
            shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
            assert json.loads(shown)["path"] == EVIL
        assert not HARMFUL.search(shown), repr(shown)
        assert "u001b]0;owned" in shown

    def test_a_plain_text_is_left_as_it_is(self) -> None:
        """In any script, with joiners, tabs and line feeds."""
        text = "naïve\t日本語\n👩\u200d🔬 العربية \u200e%1B"
        assert harmless(text) == text

    @given(st.text())
    def test_json_means_the_same_afterwards(self, text: str) -> None:
        """Whatever is in it."""
        printed = harmless(json.dumps(text, ensure_ascii=False))
        assert json.loads(printed) == text
        assert not HARMFUL.search(printed)


class TestSpreadsheet:
    """CSV is opened in one, which calculates what looks like a formula."""

    def test_no_cell_of_results_is_a_formula(self, home: Home) -> None:
        """Texts get an apostrophe; numbers stay numbers, and JSON as it is."""
        texts = [text for text in FORMULAS if not text.startswith("\r")]
        record(home, *texts)
        done = watcher("results", "--format", "csv", home=home.root)
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert sorted(row["label"] for row in rows) == sorted(f"'{text}" for text in texts)
        for row in rows:
            assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values())
            assert float(row["score"]) == 0.25
        said = json.loads(watcher("results", "--format", "json", home=home.root).stdout)
        assert sorted(row["label"] for row in said) == sorted(texts)

    def test_nor_of_what_is_classified(self, home: Home, tmp_path: Path) -> None:
        """A picture can be called like a formula."""
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.png").write_bytes(picture())
        os.rename(tmp_path / "in", tmp_path / "=in")
        done = watcher("classify", "--format", "csv", "=in", home=home.root, cwd=tmp_path)
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert row["path"] == "'=in/a.png"

    @pytest.mark.parametrize("value", FORMULAS)
    def test_every_beginning_of_a_formula_is_known(self, value: str) -> None:
        """As OWASP lists them, and the wide signs."""
        assert defused(value) == f"'{value}"

    @pytest.mark.parametrize("value", [-0.5, -3, 0, None, True, "a=1", "a-b", "'", "", " =1"])
    def test_all_else_stays(self, value: object) -> None:
        """Negative numbers, too."""
        assert defused(value) is value
