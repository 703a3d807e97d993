"""The figures as a file for node_exporter: always whole, readable by all, and gone with the daemon."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import homes
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from watcher.errors import SettingsError
from watcher.service import textfile
from watcher.settings import load


@pytest.fixture
def registry() -> CollectorRegistry:
    """With many figures, so that to write them takes a while."""
    registry = CollectorRegistry()
    many = Gauge("watcher_many", "Many", ["number"], registry=registry)
    for number in range(3000):
        many.labels(number).set(number)
    return registry


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "EVERY_SECONDS", 0.01)


def count(path: Path) -> int:
    return sum(len(family.samples) for family in text_string_to_metric_families(path.read_text()))


def test_whoever_reads_it_finds_it_whole(tmp_path: Path, registry: CollectorRegistry) -> None:
    """At any moment; and any user may, whatever the rights of Watcher's other files are."""
    path = tmp_path / "watcher.prom"
    os.umask(0o077)
    with textfile.kept_up(path, registry):
        homes.wait_for(path.exists, "it is written")
        written = set()
        while len(written) < 5:
            written.add(path.stat().st_mtime_ns)
            assert count(path) == 3000
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_said_once_and_waited_for(tmp_path: Path, registry: CollectorRegistry) -> None:
    """It stops no daemon."""
    path = tmp_path / "later" / "watcher.prom"
    with capture_logs() as logs, textfile.kept_up(path, registry):
        homes.wait_for(lambda: logs, "it is said")
        threading.Event().wait(0.2)
        assert [line["log_level"] for line in logs] == ["error"]
        path.parent.mkdir()
        homes.wait_for(lambda: len(logs) == 2, "it is said that it is over")
        assert logs[1]["times"] > 1 and count(path) == 3000


def test_no_link_is_followed(tmp_path: Path, registry: CollectorRegistry) -> None:
    """Others may write to that folder: they must not have us write elsewhere."""
    precious, path = tmp_path / "precious", tmp_path / "watcher.prom"
    precious.write_text("precious")
    (tmp_path / ".watcher.prom.tmp").symlink_to(precious)
    path.symlink_to(precious)
    textfile.write(path, registry)
    assert precious.read_text() == "precious" and not path.is_symlink() and count(path) == 3000


@pytest.mark.parametrize("name", ["watcher.txt", ".prom", "/var/lib/node_exporter/", "/var/lib/.prom"])
def test_a_name_that_node_exporter_does_not_read_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    """And what one looks like."""
    (tmp_path / "watcher.toml").write_text(f'[metrics]\ntextfile = "{name}"\n')
    with pytest.raises(SettingsError, match=r"toml:2: metrics.textfile: .*ends in .prom, like /var"):
        load(tmp_path / "watcher.toml")
