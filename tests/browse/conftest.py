"""A home with 100,000 results, made once for all processes of a run, and its server, one for each."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import meddled
import pytest
import sites

from watcher.home import Home, open_home


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Home:
    """Do not write into it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    root = shared / "large-home"
    with (shared / "large-home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return open_home(root) if root.exists() else sites.make_large(root)


@pytest.fixture(scope="session")
def server(large: Home) -> Iterator[sites.Server]:
    """Of the large home."""
    with sites.served(large) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing has happened yet."""
    return sites.make(tmp_path / "home")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose rows and outbox whoever could has meddled with."""
    return meddled.make(tmp_path_factory.mktemp("bad") / "home")


@pytest.fixture(scope="module")
def bad_server(bad: Home) -> Iterator[sites.Server]:
    with sites.served(bad) as running:
        yield running
