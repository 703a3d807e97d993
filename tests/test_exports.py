"""`results` and `report` in every format, to a file or a pipe, of any number of rows."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import homes
import pyarrow.parquet
import pytest
import stocked
from click.testing import CliRunner, Result

from watcher.cli import exports
from watcher.cli.exports import FORMATS
from watcher.cli.main import main
from watcher.home import Home
from watcher.results import Database, Filter, Finished, find
from watcher.results.queries import COLUMNS

CELLS = 60


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A slide of 60 pictures, every third one red, with a failed one; and a formula for a name."""
    made = stocked.make(tmp_path)
    stocked.add_failed(made, "slide-1/=1+2.png")
    stocked.many(made, CELLS)
    return made


def call(home: Home, *words: str | Path) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), *map(str, words)])


def rows(home: Home) -> list[dict[str, Any]]:
    with Database.open(home.settings.database.url, home.root, readonly=True) as database:
        return [{name: getattr(row, name) for name in COLUMNS} for row in find(database, Filter())]


def read(data: bytes, form: str) -> list[dict[str, Any]]:
    if form == "parquet":
        found: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
        return found
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode())))
    return json.loads(data) if form == "json" else [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("form", FORMATS[1:])
@pytest.mark.parametrize("where", ["a pipe", "a file", "a file by its name"])
def test_every_format_says_the_same(home: Home, tmp_path: Path, form: str, where: str) -> None:
    """With all columns of the view in its order, whatever the rows are."""
    file = tmp_path / f"out.{form if 'name' in where else 'x'}"
    words = [] if "name" in where else ["--format", form]
    words += [] if where == "a pipe" else ["--output", str(file)]
    done = call(home, "results", *words)
    assert (done.exit_code, done.stderr) == (0, "")
    found = read(done.stdout_bytes if where == "a pipe" else file.read_bytes(), form)
    assert all(tuple(row) == COLUMNS for row in found)
    expected = rows(home)
    if form == "csv":
        expected = [{name: "" if value is None else str(value) for name, value in row.items()} for row in expected]
        for row in found:
            row["name"] = row["name"].removeprefix("'")
    assert found == expected
    assert sorted(path.name for path in tmp_path.glob(".out*")) == []


@pytest.mark.parametrize("form", FORMATS[1:])
def test_no_rows_are_no_fault(home: Home, form: str) -> None:
    """Columns are there where the format has them."""
    done = call(home, "results", "--limit", "0", "--format", form)
    assert done.exit_code == 0
    assert read(done.stdout_bytes, form) == []
    if form == "parquet":
        assert pyarrow.parquet.read_schema(io.BytesIO(done.stdout_bytes)).names == list(COLUMNS)
    if form == "csv":
        assert done.stdout == ",".join(COLUMNS) + "\n"


def test_columns_of_parquet_have_their_kinds(home: Home) -> None:
    """Numbers are numbers, also in a column where all rows say nothing."""
    schema = pyarrow.parquet.read_schema(io.BytesIO(call(home, "results", "--format", "parquet").stdout_bytes))
    kinds = {field.name: str(field.type) for field in schema}
    assert {kinds["id"], kinds["width"], kinds["needs_review"]} == {"int64"}
    assert {kinds["score"], kinds["margin"]} == {"double"}
    assert {kinds["finished_at"], kinds["reason"]} == {"string"}


def test_what_is_written_is_written_part_by_part(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Parquet file of many rows has many row groups, so no more of them are ever in memory."""
    monkeypatch.setattr(exports, "ROW_GROUP", 10)
    monkeypatch.setattr("watcher.results.queries.stream.__defaults__", (10,))
    assert call(home, "results", "--output", tmp_path / "out.parquet").exit_code == 0
    file = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet")
    assert (file.num_row_groups, file.metadata.num_rows) == (7, CELLS + 1)


@pytest.mark.parametrize("form", ["jsonl", "csv", "json"])
def test_the_first_rows_are_written_before_the_last_are_read(form: str) -> None:
    """However many there are."""
    from watcher.cli.output import as_text

    asked = []

    def parts() -> Iterator[Sequence[Sequence[Any]]]:
        for number in range(1000):
            asked.append(number)
            yield [[number, "x"]]

    texts = as_text(parts(), form, ("a", "b"))
    for _ in range(3):
        next(texts)
    assert len(asked) <= 3


def test_a_file_that_could_not_be_finished_is_not_there(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there under its name before still is."""
    (tmp_path / "out.jsonl").write_text("before")

    def stumble(*_: object) -> Iterator[str]:
        yield "{}\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "as_text", stumble)
    done = call(home, "results", "--output", tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert "No space left" in done.stderr
    assert (tmp_path / "out.jsonl").read_text() == "before"
    assert [path.name for path in tmp_path.glob("*out.*")] == ["out.jsonl"]


def test_a_device_is_written_to_as_it_is(home: Home) -> None:
    assert call(home, "results", "--format", "csv", "--output", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["results", "--output", "here.txt"], "say in which format"),
        (["results", "--output", "here.csv", "--format", "table"], "say in which format"),
        (["results", "--sort", "colour"], "it is one of id, name"),
        (["results", "--desc"], "add --sort"),
        (["report", "--positive"], "of which model"),
        (["report", "--positive", "--model", "tiny", "--label", "red"], "give one of them"),
        (["report", "--positive", "--model", "tiny"], "names no positive label"),
        (["report", "--since", "yesterday"], "write a time like"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(home: Home, words: list[str], said: str) -> None:
    done = call(home, *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("here.txt").exists()


def test_parquet_is_not_for_terminals(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be noise, and could do harm."""
    monkeypatch.setattr("watcher.cli.exports.sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(Exception, match="add `--output FILE`"):
        exports.form_of("parquet", None)
    assert exports.form_of("parquet", Path("x")) == "parquet"


def test_without_pyarrow_it_is_said_how_to_get_it(home: Home, tmp_path: Path) -> None:
    """In one sentence, before anything is asked or written."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "pyarrow.py").write_text("raise ImportError('No module named pyarrow')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'none')!r}); from watcher.cli.main import main; main()"
    words = ["--home", str(home.root), "results", "--output", str(tmp_path / "a.parquet")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'watcher[parquet]'" in done.stderr
    assert not (tmp_path / "a.parquet").exists()


def test_filters_and_order(home: Home) -> None:
    """What is asked for comes, in the order that is asked for."""

    def paths(*words: str) -> list[str]:
        done = call(home, "results", *words, "--format", "jsonl")
        assert done.exit_code == 0, done.stderr
        return [json.loads(line)["path"] for line in done.stdout.splitlines()]

    everything = [row["path"] for row in rows(home)]
    assert paths() == everything
    assert paths("--sort", "path") == sorted(everything)
    assert paths("--sort", "path", "--desc", "--limit", "3") == sorted(everything, reverse=True)[:3]
    assert paths("--path", "s0/7.png") == paths("--path", "7.png") == ["s0/7.png"]
    assert paths("--needs-review", "--sort", "margin", "--limit", "1000") == paths("--needs-review", "--sort", "id")
    assert len(paths("--needs-review")) == CELLS
    assert paths("--group", "slide-1", "--needs-review") == []


def test_a_table_of_many_rows_comes_in_parts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its head, as a pager shows it; all rows are there, once."""
    monkeypatch.setattr("watcher.results.queries.stream.__defaults__", (20,))
    shown = call(home, "results").stdout
    assert shown.count("finished at") == 4
    assert [line.split()[1] for line in shown.splitlines() if line.split()[:1] and line.split()[0].isdigit()] == [
        row["path"] for row in rows(home)
    ]


def test_a_report_is_printed_for_people_and_for_programs(home: Home) -> None:
    """Shares in percent with their intervals; the failed picture's group is there, though it has no result."""
    database = Database.open(home.settings.database.url, home.root)
    with database:
        database.record(
            [Finished(**_cell(number, "red" if number % 3 == 0 else "blue")) for number in range(6)]  # type: ignore[arg-type]
        )
    table = call(home, "report").stdout
    assert "33.33 %" in table
    assert "slide-1" in table
    assert "9.68 % to  70.00 %" in table
    found = read(call(home, "report", "--label", "red", "--format", "csv").stdout_bytes, "csv")
    assert [(row["grp"], row["pictures"], row["total"], row["failed"]) for row in found] == [
        ("plate", "2", "6", "0"),
        ("slide-1", "0", "0", "1"),
    ]
    assert read(call(home, "report", "--total", "--format", "json").stdout_bytes, "json")[0]["label"] == "blue"


def test_the_positive_label_is_the_card_s(tmp_path: Path, tiny_home_models: Path) -> None:
    """So nobody has to know how the model calls it."""
    import shutil

    made = homes.make(tmp_path, tmp_path / "models")
    shutil.copytree(tiny_home_models, tmp_path / "models", dirs_exist_ok=True)
    [card] = (tmp_path / "models" / "tiny").glob("*/model.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"positive_label": "green"}))
    with Database.open(made.settings.database.url, made.root) as database:
        database.migrate()
        database.record([Finished(**_cell(number, "red")) for number in range(4)])  # type: ignore[arg-type]
    done = call(made, "report", "--model", "tiny", "--positive", "--format", "json")
    assert done.exit_code == 0, done.stderr
    [line] = json.loads(done.stdout)
    assert (line["label"], line["pictures"], line["total"]) == ("green", 0, 4)
    assert line["share_high"] == pytest.approx(0.4899, abs=1e-4)


def _cell(number: int, label: str) -> dict[str, Any]:
    from watcher.results import Prediction, State

    return {
        "claim": f"cell {number}",
        "name": f"{number}.png",
        "path": f"plate/{number}.png",
        "group": "plate",
        "model": stocked.MODEL,
        "predictions": (Prediction(label=label, score=0.75),),
        "state": State.DONE,
        "received_at": stocked.NOON,
        "finished_at": stocked.NOON,
    }


def test_a_home_that_has_not_run_has_nothing(tmp_path: Path) -> None:
    """Which is no fault; it is said on standard error."""
    from watcher.home import make_home

    make_home(tmp_path)
    done = CliRunner().invoke(main, ["--home", str(tmp_path), "report", "--format", "json"])
    assert (done.exit_code, done.stdout) == (0, "[]\n")
    assert "watcher run" in done.stderr
