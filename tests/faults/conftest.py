"""The bench on which runs are broken."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lasting import Daemons, give_away
from points import Bench
from scenes import OTHER_DISK

import watcher


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for each process of the tests: what it has loaded serves all its runs."""
    slow = tmp_path_factory.mktemp("faults")
    fast = Path(tempfile.mkdtemp(prefix="watcher-faults-", dir=OTHER_DISK if OTHER_DISK.is_dir() else slow))
    bench = Bench(slow, fast)
    yield bench
    bench.close()
    shutil.rmtree(fast)


@pytest.fixture(scope="session")
def daemons(tmp_path_factory):
    """Starts daemons that last; one for each process of the tests."""
    daemons = Daemons(tmp_path_factory.mktemp("daemons"))
    yield daemons
    daemons.close()


@pytest.fixture
def open_home(open_folder, daemons):
    """A function that makes a home which any user may use, in a folder that all may enter."""
    closed = [str(folder) for folder in Path(watcher.__file__).parents if not folder.stat().st_mode & 0o001]
    if closed and os.geteuid() == 0:
        pytest.skip(f"other users cannot run what lies in {closed[0]}")

    def make(**sections):
        models = shutil.copytree(daemons.models, open_folder / "models", dirs_exist_ok=True)
        home = daemons.make_home(open_folder / "home", **{"folders": {"models": str(models)}} | sections)
        if os.geteuid() == 0:
            give_away(open_folder)
        return home

    return make
