"""What the tests count of the faults that they try, and the table that is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import ledger
import pytest
from ledger import Tally, tally

TESTS = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of its own, so that nothing made up here is counted."""
    monkeypatch.setenv(ledger.FOLDER, str(tmp_path))
    return tmp_path


def test_the_table_says_that_nothing_was_lost_or_doubled() -> None:
    """Of each fault, and each was tried."""
    table = ledger.table(ledger.README.read_text("utf-8"))
    assert table
    for fault, counted in table.items():
        assert counted.tried > 0, fault
        assert (counted.lost, counted.doubled) == (0, 0), fault


def test_the_table_names_every_fault_that_the_tests_tally() -> None:
    """Those that are written in the tests as they are; `tally` itself refuses all others."""
    said = {
        fault
        for path in TESTS.rglob("test_*.py")
        if path != Path(__file__)
        for fault in re.findall(r'\btally\(\s*"([^"]+)"', path.read_text("utf-8"))
    }
    assert said <= ledger.table(ledger.README.read_text("utf-8")).keys()


def test_what_the_table_does_not_name_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no fault is tried without being told of; the run that writes the table may."""
    with pytest.raises(AssertionError, match="does not name 'a flood'"):
        tally("a flood", tried=1)
    monkeypatch.setenv("WATCHER_TEST_TABLE", "write")
    tally("a flood", tried=1)


def test_what_was_counted_in_several_processes_is_added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By fault."""
    monkeypatch.setenv("WATCHER_TEST_TABLE", "write")
    tally("a flood", tried=2, lost=1)
    (folder / "other.jsonl").write_text((folder / next(folder.iterdir()).name).read_text())
    tally("a fire", tried=1, doubled=3)
    assert ledger.joined(folder) == {"a flood": Tally(4, 2, 0), "a fire": Tally(1, 0, 3)}


def test_rows_of_faults_that_were_not_tried_stay(folder: Path) -> None:
    """As does the text around the table."""
    before = f"Text.\n\n{ledger.BEGIN}\n{ledger.HEAD}| a fire | 1,000 | 0 | 0 |\n| a flood | 1 | 0 | 0 |\n{ledger.END}\nMore.\n"
    after = ledger.with_table(before, {"a flood": Tally(2000, 0, 0), "a storm": Tally(3, 0, 0)})
    assert after == before.replace("| a flood | 1 | 0 | 0 |", "| a flood | 2,000 | 0 | 0 |\n| a storm | 3 | 0 | 0 |")
