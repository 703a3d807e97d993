"""`watcher bench`: what this machine can do, measured beside a home and never in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import homes
import pytest

from watcher.errors import DataError
from watcher.service.limits import caveat, limit
from watcher.service.measuring import Measured, found, measure
from watcher.service.stages import STAGES, Stage
from watcher.vision.vision import Vision


def measured(alone: float, whole: float, busy: float, **stages: tuple[float, float]) -> Measured:
    """Of a machine with two cores; a stage that is not named takes 0.1 ms."""
    return Measured(
        stages=tuple(Stage(name, *stages.get(name, (0.1, 0.1))) for name in STAGES),
        pictures=100,
        megapixels=0.2,
        cores=2,
        alone=alone,
        whole=whole,
        whole_cpu_ms=1000 * busy / whole,
        others=0.0,
    )


def test_bench_measures_a_home_s_model_and_leaves_the_home_as_it_was(tmp_path: Path, tiny_home_models: Path) -> None:
    """Pictures that wait in the inbox go on waiting, no results are written, and nothing is left behind."""
    home = homes.make(tmp_path / "home", tiny_home_models)
    homes.drop(home.inbox, "waits.png", homes.picture())
    before = homes.paths(home.root)
    plot = tmp_path / "plot.png"
    found = homes.watcher_json("bench", "--pictures", 40, "--engine", "graph", "--plot", plot, home=home.root)
    assert homes.paths(home.root) == before
    assert [stage["name"] for stage in found["stages"]] == list(STAGES)
    assert all(stage["cpu_ms"] > 0 and stage["wall_ms"] > 0 for stage in found["stages"])
    assert (found["model"], found["engine"], found["pictures"]) == ("tiny/1", "graph", 40)
    assert found["ratio"] == pytest.approx(found["daemon"] / found["model_alone"], abs=0.001)
    assert found["engine_because"] == "as --engine says."
    assert "limit" in found["limit"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_fewer_pictures_than_a_batch_are_told_of() -> None:
    """For then the figures are not what the daemon does."""
    from watcher.cli.bench import _too_few

    assert _too_few(None, 8) is _too_few(8, 8) is None
    assert str(_too_few(7, 8)).startswith("With 7 pictures no batch of 8 is full")


def test_pictures_of_a_folder_are_measured(tmp_path: Path, tiny_vision: Vision) -> None:
    """However few there are, and beside files that are none: each is taken several times, and none for a duplicate."""
    for seed in range(3):
        homes.drop(tmp_path / "pictures", f"{seed}.png", homes.picture("green", seed))
    homes.drop(tmp_path / "pictures", "broken.png", b"no picture")
    homes.drop(tmp_path / "pictures", "notes.txt", b"no picture either")
    files = found(tmp_path / "pictures")
    assert [file.name for file in files] == ["0.png", "1.png", "2.png", "broken.png"]
    result = measure(tiny_vision, files, 8, tmp_path, 20)
    assert result.pictures == 20
    assert result.megapixels == pytest.approx(24 * 18 / 1e6)
    assert result.alone > 0
    assert result.whole > 0


def test_a_folder_without_pictures_is_a_fault(tmp_path: Path, tiny_vision: Vision) -> None:
    """It is said before anything is measured."""
    with pytest.raises(DataError, match="holds no pictures"):
        found(tmp_path)
    homes.drop(tmp_path, "broken.png", b"no picture")
    with pytest.raises(DataError, match="none of the pictures can be read"):
        measure(tiny_vision, found(tmp_path), 8, tmp_path, 20)


@pytest.mark.parametrize(
    ("given", "on_gpu", "said"),
    [
        (measured(10, 9.6, 2.0, infer=(180, 95)), False, "The model is the limit: the daemon reaches 96% of"),
        (measured(100, 80, 1.9, infer=(15, 8)), False, "The model is the limit: it takes 96% of the processors' time"),
        (measured(500, 250, 1.9, decode=(4.2, 4.3)), True, "Decoding is the limit: .* 4.2 ms .* 2 more cores .* 2.0 x"),
        (measured(300, 250, 1.9, decode=(4.2, 4.3)), True, "2 more cores would give 1.2 x"),
        (
            measured(500, 50, 0.6, publish=(0.4, 19)),
            False,
            "Writing annotated copies durably is the limit: it waits 18.6",
        ),
        (measured(500, 250, 1.1), False, "one core at a time is the limit: the daemon kept 1.1 of 2 cores busy"),
    ],
)
def test_one_sentence_names_the_limit(given: Measured, on_gpu: bool, said: str) -> None:
    """The model, what most of the cores' time goes to, the disk, or what only one core does."""
    sentence = limit(given, on_gpu=on_gpu)
    assert re.search(said, sentence)
    assert sentence.count(". ") == 0


def test_cores_that_other_programs_had_are_no_waiting() -> None:
    """The limit is told as if they were the daemon's, and that the figures are too low."""
    busy = replace(measured(500, 250, 0.9, decode=(4.2, 4.3)), others=1.0)
    assert limit(busy, on_gpu=False).startswith("Decoding is the limit")
    assert (caveat(busy) or "").startswith("Other programs had 1.0 of 2 cores")
    assert caveat(measured(500, 250, 0.9)) is None
