"""`watcher jobs`: what each command prints and how it ends, of faulty files, unknown names and runs of every kind."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import retraining
from click.testing import CliRunner, Result
from homes import NOON
from retraining import JOB

from watcher.cli.main import main
from watcher.home import Home
from watcher.locks import held
from watcher.models.registry import Registry
from watcher.results import Database
from watcher.results.runbook import RunBook
from watcher.results.runs import Run, RunState
from watcher.service.identity import identity

FAULTY = {
    "types": (b'model = "tones"\nretries = "3"\n[data]\nsource = 5\n', ["2: retries: ", "4: data.source: "]),
    "cron": (b'model = "tones"\nschedule = "61 2 * * *"\n', ["2: schedule: "]),
    "lost": (
        b'model = "tones"\n[data]\nsource = "nowhere"\n[training]\nweights = "w.h5"\n',
        ["3: data.source: there is no ", "5: training.weights: there is no file "],
    ),
    "latin": (b'model = "tones"\nschedule = "\xff"\n', ["2: not UTF-8 text; save the file as UTF-8"]),
    "base": (
        b'model = "tones"\n[data]\nsource = "../set"\n[training]\nbase = "mobilenetv3smal"\n',
        ["5: training.base: there is no base mobilenetv3smal: did you mean mobilenetv3small?"],
    ),
    "idle": (
        b'model = "toness"\n[data]\nsource = "../set"\n',
        ["1: model: there is no model toness here, and no route"],
    ),
    "Tones": (JOB.encode(), []),  # it comes first
    "tones": (JOB.encode(), [" the job of Tones.toml has this name already; rename one of the two"]),
    "empty": (b"", ["1: model: must be set"]),
    "groups": (
        b'model = "tones"\n[data]\nsource = "../set"\ngroup_by = "("\n',
        ["4: data.group_by: '(' is no regular"],
    ),
}


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return retraining.make(tmp_path / "home", tiny_home_models)


def jobs(home: Home, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "jobs", *words])


def write(home: Home, name: str, text: str) -> None:
    (home.jobs / f"{name}.toml").write_text(text, "utf-8")


def ended_run(home: Home) -> None:
    """A scheduled run that was promoted, and one by hand that waits."""
    retraining.come_due(home, NOON)
    with Database.open(home.settings.database.url, home.root) as database:
        book = RunBook(database, identity(home.root))
        metrics = {"accuracy": {"value": 0.912345, "low": 0.8, "high": 1.0}, "sensitivity": {"value": None}}
        told = {
            "candidate": 2,
            "version_before": 1,
            "version_after": 2,
            "metrics": json.dumps(metrics),
            "settings": "{}",
        }
        paths = {"report_path": "models/tones/2/report.html", "log_path": "jobs/log/tones-1.log"}
        reason = "promoted tones/2: <b>better</b> [bold]than[/bold] it was"
        ended = {"state": RunState.PROMOTED, "reason": reason, "ended_at": NOON + timedelta(hours=1)}
        assert book.change(1, {RunState.QUEUED}, started_at=NOON, **told, **paths, **ended)
        book.add("tones", "tones", NOON + timedelta(hours=2))


def test_all_faults_of_all_files_are_named_and_the_good_ones_said_to_be_right(home: Home) -> None:
    """Each with its file and line; exit code 1 if there is any, and one line for each."""
    for name, (data, _) in FAULTY.items():
        (home.jobs / f"{name}.toml").write_bytes(data)
    done = jobs(home, "validate")
    assert (done.exit_code, done.stdout) == (1, f"{home.jobs / 'Tones.toml'}: right\n")
    wanted = [f"watcher: {home.jobs / name}.toml:{said}" for name in sorted(FAULTY) for said in FAULTY[name][1]]
    assert len(done.stderr.splitlines()) == len(wanted)
    for line, begin in zip(done.stderr.splitlines(), wanted, strict=True):
        assert line.startswith(begin)
    good = jobs(home, "validate", "Tones")
    assert (good.exit_code, good.stderr) == (0, "")


def test_the_list_says_when_each_runs_next_and_how_its_last_run_ended(home: Home) -> None:
    """A faulty one is listed with its fault; before anything has run, too."""
    write(home, "by-hand", 'model = "tiny"\n')
    assert [row["last_state"] for row in json.loads(jobs(home, "list", "--format", "json").stdout)] == [None, None]
    write(home, "wrong", "model = 5\n")
    ended_run(home)
    hand, tones, wrong = json.loads(jobs(home, "list", "--format", "json").stdout)
    assert (hand["next"], hand["model"], hand["enabled"]) == (None, "tiny", True)
    next_year = datetime.now(UTC).year + 1
    assert (tones["next"], tones["last_run"], tones["last_state"]) == (f"{next_year}-01-01T00:00+00:00", 2, "queued")
    assert wrong["fault"].startswith(f"{home.jobs / 'wrong.toml'}:1: model: should be")
    table = jobs(home, "list").stdout
    assert all(word in table for word in ("by-hand", "@yearly", f"{next_year}-01-01T00:00+00:00", "fault"))
    assert list(csv.DictReader(jobs(home, "list", "--format", "csv").stdout.splitlines()))[1]["job"] == "tones"


def test_the_preview_is_right_across_the_changes_of_the_clock(home: Home) -> None:
    """In the job's zone and in UTC; each change is marked, and a time that the clock leaves out comes after it."""
    write(home, "tones", JOB.replace('"@yearly"', '"30 2 * * *"\ntimezone = "Europe/Berlin"'))
    rows = json.loads(jobs(home, "preview", "tones", "-n", "400", "--format", "json").stdout)
    assert len(rows) == 400
    utc = [datetime.fromisoformat(row["utc"]) for row in rows]
    local = [at.astimezone(ZoneInfo("Europe/Berlin")) for at in utc]
    assert [row["local"] for row in rows] == [f"{at:%a %Y-%m-%d %H:%M:%S %z}" for at in local]
    assert [(after.date() - before.date()).days for before, after in pairwise(local)] == [1] * 399
    changed = [before.utcoffset() != after.utcoffset() for before, after in pairwise(local)]
    assert [row["clock"] for row in rows] == ["", *("the clocks have changed" if each else "" for each in changed)]
    assert sum(changed) >= 2
    assert {f"{at:%H:%M}" for at in local} == {"02:30", "03:00"}
    table = jobs(home, "preview", "tones", "-n", "10").stdout
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:00Z", table)) in (10, 11, 12)
    assert table.count("the clocks have changed") == 1  # next week or in months


@pytest.mark.parametrize(("line", "why"), [("", "it has no schedule"), ("enabled = false", "it is not enabled")])
def test_a_job_that_never_runs_by_itself_has_no_preview(home: Home, line: str, why: str) -> None:
    """It says why, and what runs it."""
    write(home, "tones", JOB.replace('schedule = "@yearly"', line and f'schedule = "@yearly"\n{line}'))
    done = jobs(home, "preview", "tones")
    said = f"watcher: the job tones never runs by itself, for {why}; `watcher jobs run tones` runs it now\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "tonse"], 1, "there is no job tonse in {jobs}: did you mean tones?"),
        (["validate", "tonse"], 1, "there is no job tonse in {jobs}: did you mean tones?"),
        (["preview", "x"], 1, "there is no job x in {jobs}: there are tones"),
        (["history", "x"], 1, "there is no job x in {jobs}: there are tones"),
        (["show", "9"], 1, "there is no run 9: see `watcher jobs history`"),
        (["cancel", "9"], 1, "there is no run 9: see `watcher jobs history`"),
        (["run", "tones", "--dry-run", "--force", "x"], 2, "--dry-run promotes nothing, and --force promotes"),
        (["run", "tones", "--force", " "], 2, "--force wants the reason, which is kept with the run"),
        (["run"], 2, "Missing argument 'NAME'"),
        (["show", "99999999999999999999"], 2, "is not in the range"),
        (["cancel", "tones"], 2, "'tones' is not a valid integer"),
        (["preview", "tones", "-n", "0"], 2, "0 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(home: Home, words: list[str], code: int, said: str) -> None:
    """What is not there: exit code 1 and one line; what cannot be meant: 2."""
    done = jobs(home, *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said.format(jobs=home.jobs) in done.stderr
    assert code == 2 or len(done.stderr.splitlines()) == 1


def test_history_and_show_tell_all_of_a_run(home: Home) -> None:
    """The newest first; the decision, the figures, the report and the log; as JSON nothing is left out."""
    assert json.loads(jobs(home, "history", "--format", "json").stdout) == []
    ended_run(home)
    newest, oldest = json.loads(jobs(home, "history", "tones", "--format", "json").stdout)
    assert (newest["run"], newest["trigger"], newest["state"]) == (2, "hand", "queued")
    assert (oldest["run"], oldest["version_before"], oldest["version_after"]) == (1, 1, 2)
    assert [row["run"] for row in json.loads(jobs(home, "history", "--limit", "1", "--format", "json").stdout)] == [2]
    assert "promoted tones/2: <b>better</b> [bold]than[/bold] it was" in jobs(home, "history").stdout
    shown = json.loads(jobs(home, "show", "1", "--format", "json").stdout)
    assert set(shown) == {field.name for field in fields(Run)} - {"id"} | {"run"}
    assert (shown["scheduled_at"], shown["settings"]) == ("2026-11-23T12:00:00.000000Z", {})
    assert shown["metrics"]["accuracy"]["value"] == 0.912345
    text = dict(re.findall(r"(?m)^([a-z ]+): +(.+)$", jobs(home, "show", "1").stdout))
    assert text["reason"] == "promoted tones/2: <b>better</b> [bold]than[/bold] it was"
    assert (text["report path"], text["log path"]) == ("models/tones/2/report.html", "jobs/log/tones-1.log")
    assert text["accuracy"] == "0.912" and "sensitivity" not in text


def test_what_waits_is_cancelled_and_what_has_ended_is_not(home: Home) -> None:
    """The row says cancelled; a second time is refused with how it ended."""
    ended_run(home)
    done = jobs(home, "cancel", "2")
    assert (done.exit_code, done.stdout) == (0, "Run 2 of the job tones is cancelled.\n")
    run = retraining.last(home)
    assert (run.state, run.reason) == (RunState.CANCELLED, "cancelled by hand") and run.ended_at is not None
    for number, state in (("2", "cancelled"), ("1", "promoted")):
        again = jobs(home, "cancel", number)
        assert (again.exit_code, again.stderr) == (1, f"watcher: run {number} has ended already: it is {state}\n")


def test_each_end_of_a_run_has_its_exit_code(home: Home) -> None:
    """3 the gate was not passed, 0 promoted or a dry run, 4 it runs already, 1 it failed; with a sentence each."""
    strict = JOB + "[gate.floors]\ncalibration_error = 0.0\n"
    write(home, "tones", strict)
    kept = jobs(home, "run", "tones")
    assert kept.exit_code == 3, kept.output
    assert kept.stdout.startswith("Run 1: refused tones/1: it has ")
    dry = jobs(home, "run", "tones", "--dry-run")
    assert dry.exit_code == 0 and "dry run, so nothing is changed; it would be: refused tones/2" in dry.stdout
    assert not Registry(home.models).has("tones")
    forced = jobs(home, "run", "tones", "--force", "we need one")
    assert forced.exit_code == 0 and "promoted tones/3 all the same (we need one); the gate: " in forced.stdout
    assert f"The report: {home.models / 'tones/3/report.html'}\n" in forced.stdout
    with held(home.job_lock("tones"), NOON):
        busy = jobs(home, "run", "tones")
    assert (busy.exit_code, len(busy.stderr.splitlines())) == (4, 1)
    write(home, "tones", JOB.replace("../set", "../nowhere"))
    failed = jobs(home, "run", "tones")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr == f"watcher: run 5 failed: {home.jobs / '../nowhere'}: there is no such folder\n"
    states = [run.state.value for run in retraining.runs(home)]
    assert states == ["kept", "kept", "promoted", "skipped", "failed"]
