"""Real mounts, in a name space of their own: pictures on other file systems, and a share that comes and goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ALONE = ["unshare", "--mount", "--map-root-user", "--propagation", "private"]

BEGIN = """
import subprocess, sys
from pathlib import Path
from watched import RESCAN, SETTLE, Watched
from watcher.intake.arrivals import LeftAlone
from watcher.intake.events import Hints
from watcher.intake.scan import ELSEWHERE, scan

def mount(point, *arguments):
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", *(arguments or ["-t", "tmpfs", "none"]), point], check=True)

def unmount(point):
    subprocess.run(["umount", point], check=True)

inbox = Path(sys.argv[1]) / "inbox"
silence = Hints(Path(sys.argv[1]) / "nowhere", lambda: None)
(Path(sys.argv[1]) / "nowhere").mkdir()
silence.start()
"""


@pytest.fixture
def run_with_mounts(tmp_path: Path):
    if (
        not sys.platform.startswith("linux")
        or subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this user may not mount anything here")

    def run(script: str) -> None:
        command = [*ALONE, sys.executable, "-W", "error", "-c", BEGIN + script, tmp_path]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parent)
        assert done.returncode == 0, done.stderr

    return run


def test_a_share_that_is_mounted_anew_loses_nothing(run_with_mounts) -> None:
    """Unmounted, it is said to be away; mounted again, its pictures go on, and none is gone."""
    run_with_mounts("""
mount(Path(sys.argv[1]) / "server")
inbox.mkdir()
mount(inbox, "--bind", Path(sys.argv[1]) / "server")
watched = Watched(inbox, silence)
watched.drop("a.jpg", "slide/b.jpg")
watched.poll()
unmount(inbox)
assert watched.poll(after=SETTLE) == []
for _ in range(2):
    try:
        watched.poll(after=RESCAN)
    except FileNotFoundError as fault:
        assert "is its share mounted" in str(fault)
    else:
        raise AssertionError
assert list(inbox.iterdir()) == []
mount(inbox, "--bind", Path(sys.argv[1]) / "server")
assert sorted(watched.until_idle()) == ["a.jpg", "slide/b.jpg"]
""")


def test_another_file_system_in_its_place_makes_nothing_gone(run_with_mounts) -> None:
    """Even where it looks like our inbox, as a mount point does that was once used without its share."""
    run_with_mounts("""
inbox.mkdir()
(inbox / ".watcher").mkdir()
mount(inbox)
watched = Watched(inbox, silence)
watched.drop("a.jpg")
watched.poll()
unmount(inbox)
assert watched.poll(after=SETTLE) == []
assert watched.until_idle() == []
assert watched.inbox.idle
""")


def test_a_picture_on_another_file_system_is_left_alone(run_with_mounts) -> None:
    """It cannot be claimed by a rename, so it is explained, whether a scan or an event found it."""
    run_with_mounts("""
inbox.mkdir()
mount(inbox / "disk")
hints = Hints(inbox, lambda: None)
watched = Watched(inbox, hints)
hints.start()
watched.drop("disk/a.jpg", "b.jpg")
while not {"disk/a.jpg", "b.jpg"} <= hints._paths:
    pass
assert watched.until_idle() == ["b.jpg"]
assert list(scan(inbox)) == [LeftAlone("disk", ELSEWHERE)]
hints.stop()
""")


def test_a_folder_bound_into_the_inbox_from_the_same_disk_is_told_by_its_claim(run_with_mounts) -> None:
    """Its files look like all others until the rename, which then says that it is this picture's own fault."""
    run_with_mounts("""
import errno
inbox.mkdir()
(Path(sys.argv[1]) / "volume").mkdir()
mount(inbox / "volume", "--bind", Path(sys.argv[1]) / "volume")
watched = Watched(inbox, silence)
watched.drop("volume/a.jpg", "b.jpg")
watched.poll()
watched.now += SETTLE
refused = []
for seen in watched.inbox.poll(watched.now):
    try:
        watched.claims.claim(seen)
    except OSError as fault:
        refused.append((seen.path, fault.errno))
assert refused == [("volume/a.jpg", errno.EXDEV)], refused
assert (inbox / "volume" / "a.jpg").exists()
assert len(list((inbox / ".watcher").iterdir())) == 1
""")
