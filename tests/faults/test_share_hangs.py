"""A share that gives no answer, for its server has stopped: that is said, and all goes on when it answers again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import homes
import pytest
from lasting import said
from ledger import tally
from mounting import can_mount, unmount

from watcher.results import State
from watcher.service.note import read

pytestmark = pytest.mark.mounts


@pytest.fixture
def server(tmp_path):
    """The process of a file system in user space, which is mounted at `tmp_path/share`."""
    if shutil.which("lowntfs-3g") is None or shutil.which("mkfs.ntfs") is None:
        pytest.skip("ntfs-3g is not here")
    image, point = tmp_path / "image", tmp_path / "share"
    if not can_mount(point):
        pytest.skip("only root can mount a share")
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ntfs", "-q", "-f", "-F", image], check=True, capture_output=True)
    process = subprocess.Popen(["lowntfs-3g", "-o", "no_detach", image, point])
    homes.wait_for(lambda: os.path.ismount(point) or process.poll() is not None, "it is mounted")
    if process.poll() is not None:
        pytest.skip("FUSE is not to be had here")
    yield process
    process.send_signal(signal.SIGCONT)
    unmount(point)
    process.wait()


@pytest.mark.parametrize(
    ("folder", "what"),
    [("inbox", "reading the inbox"), ("outbox", "writing to the outbox"), ("done", "moving the originals")],
)
def test_a_share_that_hangs_is_waited_for(tmp_path, daemons, server, folder, what):
    home = daemons.make_home(tmp_path / "home", folders={folder: str(tmp_path / "share" / folder)})
    log = tmp_path / "log"
    with daemons.running(home, log, answer=0.5):
        for seed in range(6):
            homes.drop(home.inbox, f"{seed}.png", homes.picture("red", seed))
        server.send_signal(signal.SIGSTOP)
        try:
            if folder != "inbox":
                homes.drop(home.inbox, "last.png", homes.picture("red", 99))
            [trouble] = homes.wait_for(lambda: read(home.root).troubles, "it tells of it")
            assert trouble.reason == "no answer for 0 seconds; does the disk or the share hang?"
            assert "does the disk or the share hang" in said(log)
            time.sleep(0.5)
        finally:
            server.send_signal(signal.SIGCONT)
        homes.wait_for(lambda: len(homes.paths(home.done)) >= 6 + (folder != "inbox"), "all is done")
        homes.wait_for(lambda: not read(home.root).troubles, "it says no more of it")
    rows = homes.rows(home)
    assert {row.state for row in rows} == {State.DONE}
    assert len(rows) == len(homes.paths(home.outbox)) == len(homes.paths(home.done)) == 6 + (folder != "inbox")
    tally(f"the share of {folder} gives no answer", tried=1)
