"""The daemon works under what deploy/watcher.service allows it, tried without systemd."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import confined
import pytest
from homes import PATIENCE_SECONDS, drop, make, paths, picture, rows, wait_for

from watcher.home import Home
from watcher.results import State

NEEDED = ("unshare", "setpriv", "mount", "systemd-analyze")
missing = [program for program in NEEDED if shutil.which(program) is None]

pytestmark = [
    pytest.mark.mounts,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
    pytest.mark.skipif(bool(missing), reason=f"not here: {', '.join(missing)}"),
    pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp is not here"),
]

# What must not be possible; each says what is wrong with the confinement if it ends well.
FORBIDDEN = {
    "write beside the home": "open(home + '/../beside', 'w')",
    "write to /etc": "open('/etc/watcher-test', 'w')",
    "mount": "import ctypes; libc = ctypes.CDLL(None, use_errno=True); assert libc.mount(b'x', b'/mnt', b'tmpfs', 0, None) == 0",
    "give a file away": "os.chown(home + '/watcher.toml', 1, 1)",
    "look at other processes": "assert '1' in os.listdir('/proc') and open('/proc/1/environ').read() and 0",
    "reach a disk": "assert any(name.startswith(('sd', 'vd', 'nvme')) for name in os.listdir('/dev'))",
}


def command(home: Home, *words: str) -> list[str]:
    return [sys.executable, confined.__file__, "begin", str(home.root), *words]


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    made = make(tmp_path / "home", tmp_path / "home/models")
    shutil.copytree(tiny_home_models, made.models, dirs_exist_ok=True)
    return made


def give_to_user(home: Home) -> None:
    """What systemd's User= finds: a home that belongs to it, and a way there."""
    if confined.as_user():
        for path in (home.root, *home.root.rglob("*")):
            os.chown(path, confined.NOBODY, confined.NOBODY)
        for folder in home.root.parents:
            if folder.stat().st_mode & 0o001 == 0:
                folder.chmod(folder.stat().st_mode | 0o011)


@pytest.fixture(autouse=True)
def _mounting_is_allowed(home: Home) -> None:
    done = subprocess.run(command(home, "true"), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"such a confinement cannot be made here: {done.stderr.strip()[-200:]}")


def test_the_daemon_does_its_work(home: Home) -> None:
    """It classifies, sets aside, asks the kernel about writers, ends when it is told to; its log has no other complaint."""
    for name, data in {"s/a.png": picture(), "again.png": picture(), "bad.png": b"x"}.items():
        drop(home.inbox, name, data)
    give_to_user(home)
    log = home.root.parent / "log"
    environment = os.environ | {"HOME": "/var/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("wb") as said:
        daemon = command(home, sys.executable, "-m", "watcher", "--home", str(home.root), "run")
        process = subprocess.Popen(daemon, stderr=said, env=environment)
    try:
        wait_for(lambda: len(paths(home.done)) == 2 or process.poll() is not None, "the pictures are classified")
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    assert sorted(row.state for row in rows(home)) == [State.DONE, State.DUPLICATE, State.FAILED]
    assert paths(home.outbox) == {"s/a.png", "again.png"}
    assert '"level": "error"' not in log.read_text()
    assert '"level": "warning"' not in log.read_text()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_confinement_is_one(home: Home, what: str) -> None:
    """Or the other test would show nothing."""
    give_to_user(home)
    code = f"import os; home = {str(home.root)!r}; {FORBIDDEN[what]}"
    done = subprocess.run(command(home, sys.executable, "-c", code), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Error" in done.stderr
