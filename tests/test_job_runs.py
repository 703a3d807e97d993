"""One run of a job: trained, judged beside the live version, promoted or not, each step noted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import retraining
import trainings
from homes import COLOURS, NOON, drop
from retraining import Bench

from watcher.jobs.ending import mend
from watcher.jobs.files import JobFile
from watcher.jobs.work import Bid, JobRunning, Work
from watcher.locks import held
from watcher.results.runs import Run, RunState

RED = ("blue", "red")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with retraining.bench(tmp_path) as bench:
        yield bench


def test_a_first_run_goes_live_and_says_all_there_is(bench: Bench) -> None:
    """The row has the versions, the figures, the report, and one sentence; the model says who judged it."""
    ended = bench.run(bench.job())
    assert (ended.state, ended.version_before, ended.candidate, ended.version_after) == (RunState.PROMOTED, None, 1, 1)
    assert ended.reason is not None and ended.reason.startswith("promoted tones/1: there was none before")
    assert 0 <= json.loads(ended.metrics or "")["accuracy"]["value"] <= 1
    assert (bench.home.root / (ended.report_path or "")).read_text("utf-8").startswith("<!doctype html>")
    package = bench.registry.current("tones")
    assert package.card.trained_on is not None
    settings = package.card.trained_on.settings
    assert settings["held_out_by"] == "digest"
    assert settings["held_out_groups"] == sorted(settings["held_out_groups"]) != []


def test_the_same_again_is_no_worse_and_judged_by_the_same_groups(bench: Bench) -> None:
    """So it goes live; both were tried on the same pictures."""
    first, second = bench.run(bench.job()), bench.run(bench.job())
    assert (second.version_before, second.version_after) == (1, 2)
    assert second.state is RunState.PROMOTED
    cards = [bench.registry.read("tones", version).card.trained_on for version in (1, 2)]
    assert cards[0] is not None and cards[1] is not None
    assert cards[0].settings["held_out_groups"] == cards[1].settings["held_out_groups"]
    assert first.id != second.id


def test_a_floor_that_is_not_reached_keeps_what_is_live(bench: Bench) -> None:
    """Where nothing is, nothing goes live; with --force it does all the same, and the reason is kept."""
    strict = bench.job(gate={"floors": {"calibration_error": 0.0}})
    ended = bench.run(strict)
    assert (ended.state, ended.candidate, ended.version_after) == (RunState.KEPT, 1, None)
    assert not bench.registry.has("tones")
    forced = bench.run(strict, Bid(force="the old one is gone"))
    assert forced.state is RunState.PROMOTED
    assert (
        forced.reason is not None and "all the same (the old one is gone); the gate: refused tones/2" in forced.reason
    )
    assert bench.registry.current("tones").card.version == 2


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    """It says what would have been."""
    ended = bench.run(bench.job(), Bid(dry=True))
    assert ended.state is RunState.KEPT
    assert ended.reason is not None
    assert ended.reason.startswith("dry run, so nothing is changed; it would be: promoted tones/1")
    assert not bench.registry.has("tones")


def test_a_run_that_was_cut_short_after_its_version_was_stored_trains_nothing_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one that was cut short after its version had gone live lose that."""
    job, run = bench.job(), bench.scheduled()
    with monkeypatch.context() as patch:
        patch.setattr("watcher.jobs.work.Work._end", _cut)
        with pytest.raises(ZeroDivisionError):
            _perform(bench, job, run)
    again = bench.book.get(run.id)
    assert again is not None and (again.state, again.candidate) == (RunState.RUNNING, 1)
    assert mend(bench.home, bench.book, NOON) == [again]
    bench.registry.promote("tones", 1, NOON)
    assert list((bench.home.models / "tones").glob(".training-*"))
    monkeypatch.setattr("watcher.jobs.work.run_job", _cut)
    ended = bench.run(job, run=bench.book.get(run.id))
    assert not list((bench.home.models / "tones").glob(".training-*/"))
    assert (ended.state, ended.version_before, ended.version_after, ended.tries) == (RunState.PROMOTED, None, 1, 2)
    assert bench.registry.versions("tones") == [1]


def _cut(*_: object, **__: object) -> None:
    raise ZeroDivisionError


def _perform(bench: Bench, job: JobFile, run: Run) -> Run:
    return Work(bench.home, bench.registry, bench.book, trainings.Watcher(), lambda: NOON).perform(run, job, None)


def test_a_failed_try_is_repeated_later_and_later_and_then_given_up(bench: Bench) -> None:
    """By hand it fails at once; either way the row says why."""
    job = bench.job(data={"source": str(bench.source / "nowhere")}, retries=2, retry_wait="10m")
    run, waits = bench.scheduled(), []
    for _ in range(3):
        run = bench.run(job, run=run)
        waits.append(run.not_before)
    assert waits == [NOON + timedelta(minutes=10), NOON + timedelta(minutes=20), None]
    assert run.state is RunState.FAILED
    assert run.reason is not None and "there is no such folder" in run.reason
    by_hand = bench.run(job)
    assert (by_hand.state, by_hand.not_before) == (RunState.FAILED, None)


def test_a_job_that_runs_already_is_not_run_beside_itself(bench: Bench) -> None:
    """The row says so."""
    bench.home.job_logs.mkdir(parents=True)
    with held(bench.home.job_lock("tones"), NOON), pytest.raises(JobRunning, match="the job tones runs already"):
        bench.run(bench.job())
    (row,) = bench.book.history()
    assert row.state is RunState.SKIPPED
    assert row.reason is not None and f"process {os.getpid()}" in row.reason


def _at_length(*_: object, **__: object) -> None:
    """Takes its time, in Python: what is raised inside of a library may be swallowed there, and be said again only later."""
    time.sleep(30)


def test_a_run_ends_at_its_time_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a failed try, with the limit."""
    monkeypatch.setattr("watcher.jobs.work.run_job", _at_length)
    ended = bench.run(bench.job(timeout="1s").model_copy(update={"timeout": timedelta(seconds=0.3)}))
    assert ended.state is RunState.FAILED
    assert ended.reason is not None and "its timeout" in ended.reason


@pytest.mark.parametrize("by_hand", [True, False])
def test_sigterm_ends_a_run_by_hand_and_puts_a_scheduled_one_back(
    bench: Bench, by_hand: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has learned so far is kept, and it was no failed try."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("watcher.jobs.work.run_job", _at_length)
        ended = bench.run(bench.job(), run=None if by_hand else bench.scheduled())
    assert ended.state is (RunState.CANCELLED if by_hand else RunState.QUEUED)
    assert ended.tries == (1 if by_hand else 0)
    assert signal.getsignal(signal.SIGTERM) == before
    assert bench.run(bench.job()).state is RunState.PROMOTED


def test_the_job_s_command_is_told_how_a_run_ended(bench: Bench, tmp_path: Path) -> None:
    """As JSON on its standard input, without a shell; a command that is none does not matter to the run."""
    job = bench.job(when_ended=("tee", str(tmp_path / "told; rm -rf")))
    ended = bench.run(job)
    told = json.loads((tmp_path / "told; rm -rf").read_text("utf-8"))
    assert (told["id"], told["state"], told["reason"]) == (ended.id, "promoted", ended.reason)
    assert told["ended_at"] == "2026-11-23T12:00:00.000000Z"
    assert told["metrics"]["accuracy"]["value"] is not None
    for command in (("no-such-program",), ("false",), ("a\0b",)):
        assert bench.run(bench.job(when_ended=command)).state is RunState.PROMOTED


def test_a_run_learns_from_corrections_unless_told_not_to(bench: Bench) -> None:
    """What a person has said of a picture outweighs what the set says."""
    victim = bench.source / "blue/1-0.png"
    drop(bench.home.corrections, "tones/red/1-0.png", victim.read_bytes())
    work = Work(bench.home, bench.registry, bench.book, trainings.Watcher(), lambda: NOON)
    said = {(example.path.name, example.label) for example in work._pictures(bench.job()).examples}
    assert ("1-0.png", "red") in said and victim not in [e.path for e in work._pictures(bench.job()).examples]
    without = bench.job(data={"source": str(bench.source), "group_by": r"^\d+", "corrections": False})
    assert victim in [example.path for example in work._pictures(without).examples]
    assert bench.run(bench.job()).state is RunState.PROMOTED


def test_a_model_that_learned_from_shuffled_labels_is_not_promoted(bench: Bench, tmp_path: Path) -> None:
    """The sentence says by how much it is worse."""
    assert bench.run(bench.job()).state is RunState.PROMOTED
    held = bench.registry.current("tones").card.trained_on
    assert held is not None
    for label, other in (RED, RED[::-1]):
        for path in (bench.source / label).glob("*.png"):
            if path.name.split("-")[0] not in held.settings["held_out_groups"]:
                shutil.move(path, tmp_path / f"{other}-{path.name}")
    for path in tmp_path.glob("*-*-*.png"):
        label, name = path.name.split("-", 1)
        shutil.move(path, bench.source / label / name.replace(".png", "x.png"))
    ended = bench.run(bench.job())
    assert (ended.state, ended.version_after) == (RunState.KEPT, 1)
    assert ended.reason is not None and ended.reason.startswith(
        "kept tones/1: candidate tones/2 has balanced accuracy 0."
    )
    assert bench.registry.current("tones").card.version == 1
    assert set(COLOURS) > set(RED)
