"""What `watcher doctor` says of models that are not there, of engines, and of the file for monitoring."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import stocked

from watcher.doctor import loading, models, wishes
from watcher.doctor.findings import Finding, Level
from watcher.home import Home
from watcher.models.engines import kept
from watcher.models.engines.kept import Choice, Trial
from watcher.models.registry import Registry


def home_with(folder: Path, **sections: dict[str, object]) -> Home:
    return stocked.make(folder / "home", **sections)


def test_a_mistyped_model_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    """And with nothing that could not help."""
    home = home_with(tmp_path, models={"default": "efficientnet-lite", "routes": {}})
    (finding,) = models.on_disk(home)
    assert finding.level is Level.WARNING
    assert finding.advice.endswith("or did you mean efficientnet-lite0, under [models]?")
    assert "rollback" not in finding.advice


def test_a_model_that_can_be_fetched_is_told_with_how(tmp_path: Path) -> None:
    home = home_with(tmp_path, models={"default": "xception", "routes": {}})
    (finding,) = models.on_disk(home)
    assert finding.advice == "`watcher models fetch xception`; the daemon fetches it by itself where it can"


def test_where_heat_is_wanted_the_engine_is_one_that_tells_it(tmp_path: Path, tiny_home_models: Path) -> None:
    """As the daemon has it."""
    folder = Path(shutil.copytree(tiny_home_models, tmp_path / "models"))
    trials = Trial("graph", 10.0, 1.0, 0.0), Trial("openvino", 30.0, 1.0, 0.0)
    kept.keep(Registry(folder).current("tiny"), 8, Choice("openvino", trials, "2026-01-01T00:00:00+00:00"))
    assert loading.load(folder, "tiny:heat", 8, "auto")["engine"] == "graph"
    home = home_with(tmp_path, folders={"models": str(folder)}, annotate={"heatmap": True}, models={"default": "tiny"})
    assert models.wanted(home) == ["tiny:heat"]


@pytest.mark.parametrize(("folder", "level"), [(".", Level.OK), ("nowhere", Level.WARNING)])
def test_whether_the_file_for_monitoring_can_be_written_is_looked_at(tmp_path: Path, folder: str, level: Level) -> None:
    home = home_with(tmp_path, metrics={"textfile": f"{folder}/watcher.prom"})
    found = {finding.subject: finding for finding in wishes.settings(home)}
    assert isinstance(found["textfile"], Finding)
    assert found["textfile"].level is level
