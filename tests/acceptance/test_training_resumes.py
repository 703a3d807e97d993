"""A training that is stopped or killed goes on with the same command, and comes to the same model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import homes
import numpy as np
import pytest
import trainings

from watcher.home import Home, make_home, open_home
from watcher.models.package import load
from watcher.models.registry import Registry
from watcher.settings import Settings

JOB = """
model = "tones"
[data]
group_by = '^\\d+'
[training]
input_size = 32
views = 2
precision = "float32"
[training.fine_tune]
epochs = 2
top = 0.05
batch_size = 16
"""
PATIENCE_SECONDS = 600.0
pytestmark = pytest.mark.timeout(1.5 * PATIENCE_SECONDS)
# Where the processes are killed, one after the other: before the so-maniest time that something of such a
# name is opened, renamed or removed.
KILLS = [
    ("open", ".png", 20),
    ("os.rename", "base-training.json", 2),
    ("os.rename", "tuning.json", 2),
    ("os.rename", ".current.tmp", 1),
]
# Keras is imported once, and each training run by a child that has a process of its own. It tells the batches
# of features that it computes.
DRIVER = """
import json, os, signal, sys
from watcher.cli.main import main
from watcher.models.package import import_keras
from watcher.training import features, running
import_keras()

def child(home, source, job, kill):
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    event, name, left = kill or ("", "", 0)
    def look(happened, arguments):
        nonlocal left
        if left and happened == event and any(name in str(argument) for argument in arguments[:2]):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)
    real = features.outputs
    features.outputs = lambda model, inputs: print("BATCH", flush=True) or real(model, inputs)
    main(["--home", home, "train", source, "--job", job])

whole, stopped, source, job, kills = sys.argv[1:]
print("ENDED", child(whole, source, job, None), flush=True)
for kill in json.loads(kills) + [None]:
    print("ENDED", child(stopped, source, job, kill), flush=True)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return trainings.drop(tmp_path / "set", groups=10, each=5)


def home(folder: Path) -> Home:
    make_home(folder, Settings())
    return open_home(folder)


def test_killed_at_any_point_it_comes_to_the_same_model(tmp_path: Path, source: Path) -> None:
    """While reading, while looking, between the writes of a checkpoint, when the version is stored already.

    Nothing is computed twice, and there is one version.
    """
    whole, stopped = home(tmp_path / "whole"), home(tmp_path / "stopped")
    (tmp_path / "job.toml").write_text(JOB)
    command = [sys.executable, "-c", DRIVER, whole.root, stopped.root, source, tmp_path / "job.toml", json.dumps(KILLS)]
    words = list(map(str, command))
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, env=homes.unmeasured()
    )
    runs = done.stdout.split("ENDED ")
    codes = [int(run.partition("\n")[0]) for run in runs[1:]]
    assert codes == [0] + [-signal.SIGKILL] * len(KILLS) + [0], done.stderr
    computed = [run.count("BATCH") for run in runs]
    assert computed[0] == sum(computed[1:]) - 2  # those that were not noted yet when it was killed
    one, other = (Registry(each.models).current("tones") for each in (whole, stopped))
    assert [each.card.version for each in (one, other)] == [1, 1]
    for ours, theirs in zip(load(one).get_weights(), load(other).get_weights(), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    figures = [json.loads((each.folder / "metrics.json").read_text()) for each in (one, other)]
    assert figures[0]["accuracy"] == figures[1]["accuracy"]
    assert figures[0]["roc_auc"] == figures[1]["roc_auc"]
    assert one.card.temperature == pytest.approx(other.card.temperature, rel=0.02)
    assert not [path for path in (stopped.models / "tones").glob(".*") if path.is_dir()]


def test_ctrl_c_says_how_to_go_on_and_other_settings_start_anew(tmp_path: Path, source: Path) -> None:
    """Exit code 130; what was stopped is kept, and later trainings of the model tell of it."""
    place = home(tmp_path / "home")
    (tmp_path / "job.toml").write_text(JOB.replace("epochs = 2", "epochs = 10_000"))
    command = [sys.executable, "-m", "watcher", "--home", place.root, "train", source, "--job", tmp_path / "job.toml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(list(map(str, command)), text=True, env=homes.unmeasured(), **pipes)
    try:
        homes.wait_for(lambda: list(place.models.glob("tones/.training-*/tuning.json")), "an epoch is over")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=homes.PATIENCE_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.endswith("watcher: stopped; the same command goes on from here\n")
    assert "Traceback" not in err and "Warning" not in err and "WARNING" not in err
    assert not Registry(place.models).has("tones")
    (stopped,) = (place.models / "tones").glob(".training-*")
    watching = trainings.Watcher()
    trained = trainings.train(place.models, source, trainings.job(views=1), watching)
    assert trained.package.card.version == 1
    assert list((place.models / "tones").glob(".training-*")) == [stopped]
    assert str(stopped) in watching.notes[0]
