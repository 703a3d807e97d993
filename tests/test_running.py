"""A run of a job: what its card tells, what a stopped one leaves, and that none is done twice."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import homes
import pytest
import trainings

from watcher.errors import DataError
from watcher.models.registry import Registry
from watcher.training import unfinished
from watcher.training.job import Job
from watcher.training.running import Trained, find_pictures, run_job
from watcher.training.unfinished import identity

SMALL = trainings.SMALL | {"views": 1, "blocks": ("conv",)}  # of the base hardly anything
TAUGHT = SMALL | {
    "fine_tune": {"epochs": 1, "top": 0.05, "batch_size": 16},
    "teacher": {"trust": 0.5, "base": "mobilenetv3small", "weights": "none", "blocks": ("conv",), "views": 2},
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return trainings.drop(tmp_path / "set", groups=8, each=2)


def run(models: Path, source: Path, job: Job, watching: trainings.Watcher, *, promote: bool = False) -> Trained:
    return run_job(Registry(models), job, find_pictures(job, [source]), watching, lambda: homes.NOON, promote=promote)


def test_a_teacher_s_run_tells_all_that_made_it(tmp_path: Path, source: Path) -> None:
    """From doubting labels to the card: the teacher, the pictures, their source and how they were grouped."""
    watching = trainings.Watcher()
    job = trainings.job({"pictures": 30, "source": "/somewhere/set"}, **TAUGHT)
    trained = run(tmp_path / "models", source, job, watching)
    stages = [stage for stage in watching.stages if stage in ("Training the head", "Doubting labels", "Fine-tuning")]
    assert stages == ["Training the head", "Doubting labels", "Fine-tuning"]
    assert watching.stages.count("Looking at the pictures with mobilenetv3small") == 2
    card = trained.package.card
    assert card.trained_on is not None and card.trained_on.pictures == 30
    settings = card.trained_on.settings
    assert settings["data"] == {"source": "set", "group_by": r"^\d+", "positive": None, "pictures": 30}
    assert settings["teacher"]["trust"] == 0.5
    assert re.fullmatch("[0-9a-f]{12}-[0-9a-f]{12}", settings["run"])
    assert trained.metrics.pictures > 0


def test_a_stored_version_is_not_trained_again(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was ended before it had tidied up makes its version live and tidies up; unless it is damaged since."""
    models, job = tmp_path / "models", trainings.job(**SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(unfinished.Unfinished, "remove", lambda _: None)
        first = run(models, source, job, trainings.Watcher())
        (models / "tones/current").unlink()
        watching = trainings.Watcher()
        ended = run(models, source, job, watching)
    assert (ended.package, ended.metrics, watching.stages) == (first.package, first.metrics, [])
    assert Registry(models).current("tones") == first.package
    (first.package.folder / "metrics.json").write_text("{")
    assert run(models, source, job, watching, promote=True).package.id == "tones/2"
    assert not [path for path in (models / "tones").glob(".training-*") if path.is_dir()]


def test_other_unfinished_runs_are_told_of_and_left_alone(tmp_path: Path) -> None:
    """With their size, how long they have rested, and what can be done."""
    home = tmp_path / "tones"
    for name, hours in (("old", 75), ("new", 0), ("yesterday", 1)):
        folder = home / f".training-{name}/report"
        folder.mkdir(parents=True)
        (folder / "pixels.npy").write_bytes(b"0" * 3_000_000)
        then = homes.NOON.timestamp() - hours * 3600
        os.utime(folder / "pixels.npy", (then, then))
        os.utime(folder, (then, then))
    (home / ".training-nothing").mkdir()
    (home / ".training-a file").write_text("")
    notes: list[str] = []
    with unfinished.own(home, "mine") as mine:
        unfinished.tell_of_others(mine, notes.append, homes.NOON)
        mine.remove()
    assert [note.partition(": ")[0].partition(" takes ")[2] for note in notes] == [
        "3 MB, last worked on within the hour",
        notes[1].partition(": ")[0].partition(" takes ")[2],
        "3 MB, last worked on 3 days ago",
        "3 MB, last worked on 1 hour ago",
    ]
    assert notes[2].endswith(f"its own command goes on with it, or delete the folder {home / '.training-old'}")
    assert not mine.folder.exists() and len(list(home.glob(".training-*"))) == 5


def test_what_cannot_be_removed_does_no_harm(tmp_path: Path) -> None:
    """The run's name stays the longest, so that the rest is known for what it is."""
    with unfinished.own(tmp_path / "tones", "mine") as mine:
        (mine.folder / "report").mkdir()
        (mine.folder / "pixels.npy").write_text("")
    with unfinished.own(tmp_path / "tones", "mine") as again:
        assert again == mine
        shutil.rmtree(again.folder)
        again.remove()
    with unfinished.own(tmp_path / "tones", "mine") as another:
        assert another.name != mine.name and another.name.startswith("mine-")
    with pytest.raises(DataError), unfinished.own(tmp_path / "tones", "mine"):
        raise DataError("too few pictures")
    assert not mine.folder.exists()


def test_the_way_to_the_pictures_makes_no_other_run(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative, absolute or roundabout, and from a folder or a list; and so it is with weights in a file."""
    monkeypatch.chdir(tmp_path)
    (source / "red/7-gone-7.png").symlink_to("nowhere")
    (tmp_path / "w.h5").write_text("weights")
    (tmp_path / "list.csv").write_text("path,label,group\nset/red/1-0.png,red,1\nset/blue/1-0.png,blue,1\n")

    def of(where: Path, weights: str = "w.h5", **data: Any) -> str:
        job = trainings.job(data, **(SMALL | {"weights": weights}))
        return identity(job, find_pictures(job, [where]))

    plain = of(Path("set"))
    for way in (source, Path("../") / tmp_path.name / "set", Path("set/red/..")):
        assert of(way, source=str(way)) == plain
    assert of(source, str(tmp_path / "w.h5")) == plain
    listed = of(Path("list.csv"))
    assert listed == of(tmp_path / "list.csv") != plain
    os.utime("w.h5", (1, 1))
    others = {of(source), of(source, "none"), of(source, "imagenet"), of(source, group_by=r"\d+(?=\.)"), plain}
    assert len(others) == 5
    later = datetime.now(UTC) + timedelta(hours=1)
    os.utime(source / "red/1-0.png", (later.timestamp(), later.timestamp()))
    assert of(source) not in others and of(Path("list.csv")) != listed
