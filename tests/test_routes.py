"""From a picture's folder to its model and its group, and which models are ready."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from watcher.models.registry import Registry
from watcher.service.routes import REFUSED_SECONDS, Bench, Routes
from watcher.settings import Models
from watcher.vision.vision import Vision

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTES = Models(default="tiny", routes={"malaria": "cells", "Größe": "sizes"})


@pytest.mark.parametrize(
    ("path", "model", "group"),
    [
        ("a.png", "tiny", ""),
        ("malaria/a.png", "cells", ""),
        ("malaria/slide-12/a.png", "cells", "slide-12"),
        ("malaria/slide-12/b/a.png", "cells", "slide-12/b"),
        ("holiday/2026/a.png", "tiny", "holiday/2026"),
        ("malaria.png", "tiny", ""),
        ("malaria", "tiny", ""),
        ("Malaria/a.png", "tiny", "Malaria"),
        ("holiday/malaria/a.png", "tiny", "holiday/malaria"),
        ("Größe/a.png", "sizes", ""),
        (os.fsdecode(b"malaria/caf\xe9/a.png"), "cells", "caf%E9"),
    ],
)
def test_the_first_folder_is_a_route_and_the_rest_the_group(path: str, model: str, group: str) -> None:
    """Only the first folder below the inbox can be a route; a folder that is none belongs to the group."""
    routes = Routes(ROUTES, Registry(Path("absent")))
    assert (routes.model_of(path), routes.group_of(path)) == (model, group)


def test_every_model_of_the_settings_that_cannot_be_used_is_an_obstacle(tiny_home_models: Path) -> None:
    """Each says what to do about it; those that are here say nothing."""
    routes = Routes(Models(default="tiny", routes={"a": "cells", "b": "xception"}), Registry(tiny_home_models))
    assert routes.obstacles() == {
        "cells": "there is no model cells: bring one with `watcher models import cells PATH`, or train it with "
        "`watcher train FOLDER --model cells`",
        "xception": "the model xception is not here yet: run `watcher models fetch xception`; without internet, "
        "`watcher models import xception xception_weights_tf_dim_ordering_tf_kernels.h5`",
    }


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def loads() -> list[str]:
    return []


@pytest.fixture
def load(tmp_path: Path, loads: list[str]) -> Callable[[str], Vision]:
    def load(name: str) -> Vision:
        loads.append(name)
        return Vision(Registry(tmp_path).current(name), "graph", 2, 1)

    return load


def test_a_model_is_loaded_once(tmp_path: Path, tiny_home_models: Path, load: Any, loads: list[str]) -> None:
    """Its second picture finds it ready."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    bench = Bench(load, Clock())
    assert bench.vision("tiny") is bench.vision("tiny") is not None
    assert loads == ["tiny"]


def test_a_missing_model_is_taken_as_soon_as_it_is_there(tmp_path: Path, tiny_home_models: Path, load: Any) -> None:
    """The log mentions it once, and nobody waits for a clock after it was imported."""
    bench = Bench(load, Clock())
    with capture_logs() as logs:
        assert [bench.vision("tiny") for _ in range(3)] == [None, None, None]
    assert [line["model"] for line in logs] == ["tiny"]
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    assert bench.vision("tiny") is not None


def test_a_damaged_model_is_left_in_peace_for_a_while(
    tmp_path: Path, tiny_home_models: Path, load: Any, loads: list[str]
) -> None:
    """To find the damage a whole file was read, so that is not done for every picture."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    model = tmp_path / "tiny" / "1" / "model.keras"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    clock = Clock()
    bench = Bench(load, clock)
    assert bench.vision("tiny") is None
    model.write_bytes(whole)
    assert bench.vision("tiny") is None
    assert loads == ["tiny"]
    clock.now += REFUSED_SECONDS
    assert bench.vision("tiny") is not None


def test_a_damaged_model_is_tried_again_when_something_has_changed(
    tmp_path: Path, tiny_home_models: Path, load: Any
) -> None:
    """After a model was fetched nobody waits for the clock."""
    shutil.copytree(tiny_home_models / "tiny", tmp_path / "tiny")
    model = tmp_path / "tiny" / "1" / "model.keras"
    whole = model.read_bytes()
    model.write_bytes(b"")
    bench = Bench(load, Clock())
    assert bench.vision("tiny") is None
    model.write_bytes(whole)
    bench.try_again()
    assert bench.vision("tiny") is not None
