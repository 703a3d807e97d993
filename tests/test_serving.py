"""The daemon's own web server: /healthz, /readyz and /metrics, and nothing else, whoever asks and however slowly."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import homes
import pytest
from monitored import Idle, Watched, ask, listening_home, watched
from structlog.testing import capture_logs

from watcher.errors import SettingsError
from watcher.home import Home
from watcher.service import serving
from watcher.service.monitoring import monitored
from watcher.settings import load


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    """Whose inbox can be read, though no daemon has ever run."""
    return listening_home(tmp_path, tiny_home_models)


def test_healthz_and_readyz_say_yes_or_why_not(home: Home) -> None:
    """A reason for people, and a status for programs."""
    with watched(home) as it:
        with it.pulses.part("loop that scans and classifies", "starting", 100):
            assert ask(home, "/healthz") == (200, "ok\n")
            assert ask(home, "/readyz") == (503, "it starts: starting\n")
            it.health.begins(Idle())
            assert ask(home, "/readyz") == (200, "ok\n")
            it.note.trouble("using the model other", "it is damaged", "2026-11-23T12:00:00+00:00")
            assert ask(home, "/readyz") == (200, "ok\n")
            it.note.trouble("writing to the outbox", "No space left", "2026-11-23T12:00:00+00:00")
            assert ask(home, "/readyz") == (503, "writing to the outbox: No space left\n")
            it.note.trouble("writing to the outbox", None, "")
            it.health.ask(lambda: "the model tiny is being loaded")
            assert ask(home, "/readyz") == (503, "the model tiny is being loaded\n")
            it.stop.set()
            assert ask(home, "/readyz") == (503, "it ends\n")
            assert ask(home, "/healthz") == (200, "ok\n")
        with it.pulses.part("watch", "looking", -1):
            reason = "no sign of life from the watch for 0 seconds; the last was: looking\n"
            assert ask(home, "/healthz") == (503, reason)


def test_nothing_else_is_served(home: Home) -> None:
    """And nothing can be sent."""
    with watched(home):
        assert [ask(home, path)[0] for path in ("/", "/metrics/", "/../watcher.toml")] == [404] * 3
        assert ask(home, "/metrics?x=1")[0] == 200
        assert ask(home, "/healthz", "HEAD") == (200, "")
        assert ask(home, "/metrics", "POST")[0] == 501


def test_slow_clients_are_let_go_and_keep_nobody_waiting(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one keep the daemon from ending; where there are too many, the next are turned away."""
    monkeypatch.setattr(serving._Handler, "timeout", 1.0)
    monkeypatch.setattr(serving, "MOST_CLIENTS", 4)
    host, _, port = home.settings.metrics.listen.rpartition(":")
    with ExitStack() as stack:
        with watched(home):
            for _ in range(3):
                stack.enter_context(socket.create_connection((host, int(port)))).sendall(b"GET /metr")
            assert ask(home, "/healthz")[0] == 200
            stack.enter_context(socket.create_connection((host, int(port))))
            time.sleep(0.1)
            with pytest.raises(OSError):
                ask(home, "/healthz")
            time.sleep(1.2)
            assert ask(home, "/healthz")[0] == 200
            stack.enter_context(socket.create_connection((host, int(port))))
            begun = time.monotonic()
        assert time.monotonic() - begun < 5


def test_an_address_that_is_taken_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and stops no daemon."""
    monkeypatch.setattr(serving, "AGAIN_SECONDS", 0.1)
    host, _, port = home.settings.metrics.listen.rpartition(":")
    it = Watched(home)
    with capture_logs() as logs, ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind((host, int(port)))
        taken.listen()
        stack.enter_context(monitored(home, it.health, it.tally))
        homes.wait_for(lambda: logs, "it is said")
        time.sleep(0.3)
        assert [line["log_level"] for line in logs] == ["error"]
        taken.close()
        homes.wait_for(lambda: len(logs) == 2, "it listens")
        assert ask(home, "/healthz")[0] == 200


@pytest.mark.parametrize(
    "listen",
    ["9464", "127.0.0.1", "127.0.0.1:", "http://127.0.0.1:9464", "::1:9464", "a b:1", "0.0.0.0:99999", "0.0.0.0:0"],
)
def test_an_address_that_is_none_is_told_with_its_line(tmp_path: Path, listen: str) -> None:
    """And what one looks like."""
    (tmp_path / "watcher.toml").write_text(f'[metrics]\nlisten = "{listen}"\n')
    with pytest.raises(SettingsError, match=r"toml:2: metrics.listen: .*like 127.0.0.1:9464"):
        load(tmp_path / "watcher.toml")
