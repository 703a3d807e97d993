"""The demo where its daemon does not do its part; that it works is shown in acceptance/."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from watcher.errors import WatcherError
from watcher.service import demo


def daemon_that(path: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the demo start a daemon that only `does` something, in a temporary folder of ours."""
    script = path / "daemon"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(tempfile, "tempdir", str(path))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo a line; echo the reason >&2; exit 3", "the daemon ended early: the reason"),
        ("exit 3", "early: exit code 3"),
    ],
)
def test_a_daemon_that_ends_early_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    """With the last thing it said."""
    daemon_that(tmp_path, does, monkeypatch)
    with pytest.raises(WatcherError, match=said):
        demo.demo(lambda _: None)


def test_a_daemon_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the fault says where its log is."""
    daemon_that(tmp_path, "exec sleep 600", monkeypatch)
    monkeypatch.setattr(demo, "LONGEST_SECONDS", 0.2)
    with pytest.raises(WatcherError, match=r"took longer than 0 s; .*demo\.log says what it did"):
        demo.demo(lambda _: None)
