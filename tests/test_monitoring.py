"""Figures for monitoring: the books of a home over HTTP, on loopback, and only where the settings ask for it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import homes
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from watcher.errors import SettingsError
from watcher.home import Home
from watcher.service import lock, metrics
from watcher.service.note import DaemonNote
from watcher.settings import load


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make(root: Path, models: Path, port: int) -> Home:
    return homes.make(root, models, metrics={"listen": f"127.0.0.1:{port}"})


def figures(port: int) -> dict[tuple[str, str], float]:
    """Values by name and label."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=homes.PATIENCE_SECONDS) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_daemon_serves_the_counts_that_status_prints(tmp_path: Path, tiny_home_models: Path) -> None:
    """Every state, so that a graph of it begins at 0; after the daemon's end nothing listens."""
    port = free_port()
    home = make(tmp_path, tiny_home_models, port)
    homes.drop(home.inbox, "a.png", homes.picture())
    homes.drop(home.inbox, "broken.png", b"nothing")
    homes.drop(home.inbox, "notes.txt", b"text")
    homes.run_once(home)
    with homes.daemon_thread(home):
        homes.wait_for(lambda: _answers(port), "it listens")
        found = figures(port)
    states = {label: value for (name, label), value in found.items() if name == "watcher_pictures"}
    assert states == {
        "waiting": 0, "claimed": 0, "done": 1, "failed": 1, "duplicate": 0, "vanished": 0, "superseded": 0,
    }  # fmt: skip
    assert (found["watcher_readable", ""], found["watcher_left_alone", ""]) == (1, 1)
    assert not _answers(port)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_troubles_are_told(tmp_path: Path, tiny_home_models: Path) -> None:
    """While the daemon has them."""
    port = free_port()
    home = make(tmp_path, tiny_home_models, port)
    (home.inbox / ".watcher").mkdir()
    with lock.held(home.lock, homes.NOON), metrics.served(home):
        DaemonNote(home.root).trouble("writing to the outbox", "No space left on device", "2026-11-23T12:00:00+00:00")
        assert figures(port)["watcher_trouble", "writing to the outbox"] == 1


def test_what_cannot_be_read_is_a_figure_too(tmp_path: Path, tiny_home_models: Path) -> None:
    """And no fault of the server."""
    port = free_port()
    home = make(tmp_path, tiny_home_models, port)
    home.inbox.rmdir()
    with metrics.served(home):
        assert figures(port) == {("watcher_readable", ""): 0}


def test_one_answer_serves_who_asks_often(tmp_path: Path, tiny_home_models: Path) -> None:
    """For a while."""
    home = make(tmp_path, tiny_home_models, 1)
    now = 0.0
    books = metrics.Figures(home, lambda: now)

    def waiting() -> float:
        [pictures] = [family for family in books.collect() if family.name == "watcher_pictures"]
        return pictures.samples[0].value

    assert waiting() == 0
    homes.drop(home.inbox, "a.png", homes.picture())
    assert waiting() == 0
    now = metrics.KEEP_SECONDS + 1
    assert waiting() == 1


def test_a_port_that_is_taken_stops_no_daemon(tmp_path: Path, tiny_home_models: Path) -> None:
    """It is logged."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        home = make(tmp_path, tiny_home_models, taken.getsockname()[1])
        with capture_logs() as logs, metrics.served(home):
            pass
    assert [line["log_level"] for line in logs] == ["error"]


@pytest.mark.parametrize(
    "listen",
    ["9464", "127.0.0.1", "127.0.0.1:", "http://127.0.0.1:9464", "::1:9464", "a b:1", "0.0.0.0:99999", "0.0.0.0:0"],
)
def test_an_address_that_is_none_is_told_with_its_line(tmp_path: Path, listen: str) -> None:
    """And what one looks like."""
    (tmp_path / "watcher.toml").write_text(f'[metrics]\nlisten = "{listen}"\n')
    with pytest.raises(SettingsError, match=r"toml:2: metrics.listen: .*like 127.0.0.1:9464"):
        load(tmp_path / "watcher.toml")
