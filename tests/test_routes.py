"""From a picture's folder to its model and its group."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.models.registry import Registry
from watcher.service.routes import Routes
from watcher.settings import Models

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
