"""Fixtures that many tests share."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import ledger
import postgres
import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from watcher.intake.events import Hints
    from watcher.models.package import Package
    from watcher.results import Database
    from watcher.vision.vision import Vision

# A shell starts what is in its background with Ctrl-C ignored, and so would be the programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines are noisy, so no example is too slow; and no test leaves files beside the code.
settings.register_profile("watcher", deadline=None, database=None)
settings.load_profile("watcher")


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the others keeps the ledger for all of them."""
    if not hasattr(config, "workerinput"):
        ledger.begin()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was tried, and what was lost or doubled by that."""
    if not hasattr(config, "workerinput") and (rows := ledger.end()):
        terminalreporter.section("faults")
        terminalreporter.write(ledger.HEAD + rows)


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> Iterator[None]:
    """A command that is called in this process sets up logging, which is no affair of the next test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _rights_as_they_were() -> Iterator[None]:
    """A command that is called in this process sets what its files may be used for, too."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def tiny_home_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `models` folder with a real Keras model `tiny` that tells red, green and blue pictures apart at 16 x 16.

    Point `folders.models` at it, or copy it; do not write into it.
    """
    import numpy as np

    from watcher.models.package import import_keras
    from watcher.models.registry import Registry

    keras = import_keras()
    pixels = keras.Input((16, 16, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    softmax = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(pixels, softmax(mean), name="mean_colour")
    softmax.set_weights([np.eye(3) / 50, np.zeros(3)])
    card = {
        "labels": ("red", "green", "blue"),
        "input_size": (16, 16),
        "resize": "squash",
        "base": "mean colour",
        "weights": "made by a test",
        "verified": False,
    }
    folder = tmp_path_factory.mktemp("models")
    Registry(folder).install("tiny", model, card, datetime.now(UTC))
    return folder


@pytest.fixture(scope="session")
def tiny_package(tiny_home_models: Path) -> Package:
    """The package of `tiny_home_models`; its model is not loaded."""
    from watcher.models.registry import Registry

    return Registry(tiny_home_models).current("tiny")


@pytest.fixture(scope="session")
def tiny_vision(tiny_home_models: Path) -> Vision:
    """The model of `tiny_home_models`, loaded and warm."""
    from watcher.models.registry import Registry
    from watcher.vision.vision import Vision

    return Vision(Registry(tiny_home_models).current("tiny"), "graph", 8, max_megapixels=1)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user may enter and write; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


@pytest.fixture
def without_rights() -> Callable[[], AbstractContextManager[None]]:
    """Runs a block as a user who owns nothing. Where tests are not run by root, they are run by such a user."""

    @contextmanager
    def context() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return context


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hints]:
    """Hints that never come, so that the inbox is scanned when that is due, and not as often as a share."""
    from watcher.intake.events import Hints

    hints = Hints(tmp_path_factory.mktemp("nowhere"), lambda: None)
    hints.start()
    yield hints
    hints.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A server of this process's own."""
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's server is not installed")
    with postgres.server() as server:
        yield server


DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a database without tables, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/watcher.db"
    else:
        with request.getfixturevalue("postgresql").empty() as url:
            yield url


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """What holds of one kind of database holds of the other."""
    from watcher.results import Database

    with ExitStack() as stack:
        url = "sqlite:///watcher.db"
        if request.param != "sqlite":
            url = stack.enter_context(request.getfixturevalue("postgresql").migrated())
        opened = stack.enter_context(Database.open(url, tmp_path))
        opened.migrate()
        yield opened
