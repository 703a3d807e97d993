"""How often the tests have tried to break Watcher, and how many pictures were lost or doubled by that.

A test says `tally("SIGKILL at fsync", tried=17, lost=0, doubled=0)`. What all have said is printed at the end of the
run, and with WATCHER_TEST_TABLE=write it goes into the table of tests/README.md. Processes of pytest-xdist have files
of their own in one folder, which the first of them makes and whose name the others inherit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- the tests write this table -->", "<!-- to here -->"
FOLDER = "WATCHER_TEST_LEDGER"
HEAD = "| fault | tried | lost | doubled |\n| --- | ---: | ---: | ---: |\n"
_ROW = re.compile(r"\| (?P<fault>[^|]+) \| (?P<tried>[\d,]+) \| (?P<lost>[\d,]+) \| (?P<doubled>[\d,]+) \|")


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of one fault; `lost` and `doubled` are pictures."""

    tried: int
    lost: int
    doubled: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


Tallies = Mapping[str, Tally]


def tally(fault: str, *, tried: int, lost: int = 0, doubled: int = 0) -> None:
    """Adds to what is counted of a fault. Raises AssertionError if the table of the README does not name it."""
    entry = {"fault": fault, "tried": tried, "lost": lost, "doubled": doubled}
    with (Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    assert is_written() or fault in table(README.read_text("utf-8")), (
        f"the table of {README} does not name {fault!r}: run its tests with WATCHER_TEST_TABLE=write"
    )


def is_written() -> bool:
    """Whether this run is to write the table."""
    return os.environ.get("WATCHER_TEST_TABLE") == "write"


def begin() -> None:
    """Makes the folder, in the process that starts the others."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="watcher-ledger-")


def end() -> str:
    """The table of this run; empty if nothing was counted. Writes it where that was asked for, and tidies up."""
    folder = Path(os.environ.pop(FOLDER))
    tallies = joined(folder)
    shutil.rmtree(folder)
    if tallies and is_written():
        README.write_text(with_table(README.read_text("utf-8"), tallies), "utf-8")
    return rows(tallies)


def joined(folder: Path) -> Tallies:
    """What all processes have counted."""
    tallies: dict[str, Tally] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            entry = json.loads(line)
            fault = entry.pop("fault")
            tallies[fault] = tallies.get(fault, Tally(0, 0, 0)) + Tally(**entry)
    return tallies


def table(readme: str) -> Tallies:
    """The table as it is."""
    between = readme.partition(BEGIN)[2].partition(END)[0]
    found = (match.groupdict() for match in _ROW.finditer(between))
    return {
        row.pop("fault"): Tally(**{key: int(number.replace(",", "")) for key, number in row.items()}) for row in found
    }


def with_table(readme: str, tallies: Tallies) -> str:
    """The text with these rows in its table; those of faults that were not tried stay as they are."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{HEAD}{rows({**table(readme), **tallies})}{end}{after}"


def rows(tallies: Tallies) -> str:
    """The rows of a table, by fault."""
    return "".join(
        f"| {fault} | {counted.tried:,} | {counted.lost:,} | {counted.doubled:,} |\n"
        for fault, counted in sorted(tallies.items())
    )
