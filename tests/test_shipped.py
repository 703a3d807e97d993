"""A package that is a part of Watcher: fetched by copying it, by a person or by the daemon."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import drawn_cells
import homes
import numpy as np
import pytest
from click.testing import CliRunner, Result
from versions import NOON, install_second

from watcher.cli.main import main
from watcher.home import Home
from watcher.models import builtin, trial_pictures
from watcher.models.engines.trials import FEWEST, SURE
from watcher.models.package import CARD, MODEL, Package, read
from watcher.models.registry import Registry, missing
from watcher.service.status import status
from watcher.vision.vision import Vision


@pytest.fixture
def shipped(tmp_path: Path, tiny_package: Package, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in the place of a package that is shipped as `malaria`."""
    folder = tmp_path / "shipped"
    shutil.copytree(tiny_package.folder, folder)
    (folder / "metrics.json").write_text("{}")
    monkeypatch.setattr(builtin, "SHIPPED", {"malaria": folder})
    return folder


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Iterator[Home]:
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models, models)
    return homes.make(tmp_path / "home", models, models={"default": "tiny", "routes": {"malaria": "malaria"}})


def test_the_malaria_model_has_trial_pictures_that_it_is_sure_of_and_all_of_them_are_drawn() -> None:
    """Else no engine could be checked by them; and pictures of patients are not ours to ship."""
    package = read(Path(builtin.SHIPPED["malaria"]))
    pictures = trial_pictures.read(package)
    drawn = np.stack(drawn_cells.cells())
    assert pictures.shape == drawn.shape
    assert np.abs(pictures.astype(int) - drawn).mean() < 2, "but for what JPEG loses"
    some = pictures[:32]
    scores = np.sort(Vision(package, "graph", 32, 1).scores(list(some)), axis=1)
    assert (scores[:, 0] < SURE * scores[:, 1]).mean() > FEWEST / len(pictures)


def fetch(home: Home, name: str = "malaria") -> Result:
    return CliRunner().invoke(main, ["--home", str(home.root), "models", "fetch", name])


def test_it_is_fetched_whole_and_vouched_for(home: Home, shipped: Path) -> None:
    """With its metrics, under its own name; a second time there is nothing to do."""
    assert fetch(home).stdout == "malaria/1 is ready.\n"
    package = Registry(home.models).current("malaria")
    assert {path.name for path in package.folder.iterdir()} == {MODEL, CARD, "metrics.json"}
    assert (package.id, package.card.verified, package.card.digest) == ("malaria/1", True, read(shipped).card.digest)
    assert fetch(home).stdout == "malaria/1 is here already.\n"


def test_a_model_of_ones_own_is_replaced_only_when_asked(home: Home, shipped: Path) -> None:
    """What a lab has trained stays the current one until somebody fetches what is shipped."""
    other = install_second(home.models)
    registry = Registry(home.models)
    registry.install_package("malaria", other, NOON, verified=True)
    homes.run_once(home)
    assert registry.versions("malaria") == [1]
    assert fetch(home).stdout == "malaria/2 is ready.\n"
    assert registry.rollback("malaria", NOON).package.card.digest == other.card.digest


@pytest.mark.parametrize("file", [MODEL, CARD])
def test_a_damaged_one_is_fetched_anew(home: Home, shipped: Path, file: str) -> None:
    """As the fault that it had said to do."""
    fetch(home)
    (home.models / "malaria/1" / file).write_bytes(b"")
    assert fetch(home).stdout == "malaria/2 is ready.\n"


def test_a_daemon_has_it_from_the_first_picture_on(home: Home, shipped: Path) -> None:
    """Nobody needs to fetch it; until then, status says how it comes."""
    homes.drop(home.inbox, "malaria/a.png", homes.picture("blue"))
    [wait] = status(home).models_missing
    assert wait.reason == "the model malaria is not here yet: run `watcher models fetch malaria`"
    [row] = homes.run_once(home)
    assert (row.model, row.model_version, row.label) == ("malaria", 1, "blue")


def test_a_damaged_installation_is_told_and_stops_no_other(home: Home, shipped: Path) -> None:
    """The pictures of other models go on."""
    (shipped / MODEL).write_bytes(b"")
    for path in ("malaria/a.png", "b.png"):
        homes.drop(home.inbox, path, homes.picture("blue"))
    assert [row.path for row in homes.run_once(home)] == ["b.png"]
    done = fetch(home)
    assert done.exit_code == 1
    assert f"{shipped / MODEL} was changed since it was stored" in done.stderr


def test_where_it_is_not_shipped_it_is_a_model_like_any(
    home: Home, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be imported, and not to be fetched."""
    (shipped / CARD).unlink()
    assert missing("malaria") == (
        "there is no model malaria: bring one with `watcher models import malaria PATH`, or train it with "
        "`watcher train FOLDER --model malaria`"
    )
    done = fetch(home)
    assert done.exit_code == 1
    assert "malaria is none of the models that can be fetched (efficientnet-lite0, xception)" in done.stderr


def test_what_is_shipped_fits_its_card() -> None:
    """Whatever packages there are: whole, small enough for a repository, of their own name."""
    for name in builtin.SHIPPED.keys() & builtin.fetchable():
        package = read(builtin.SHIPPED[name])
        assert package.card.name == name
        assert builtin.is_whole(package)
        assert (package.folder / MODEL).stat().st_size <= 12e6
