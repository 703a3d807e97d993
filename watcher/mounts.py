"""Which file system a path lies on: network shares announce no events and break SQLite's WAL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

# File systems that another machine can change: no inotify event comes for such a change, and
# locks and shared memory do not reach across (https://www.sqlite.org/wal.html).
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|glusterfs|lustre|beegfs|gpfs|orangefs|virtiofs|vboxsf|vmhgfs"
    r"|prl_fs|davfs|ncpfs|ocfs2|gfs2|fuse(\.(?!fuse-overlayfs|mergerfs|lxcfs|gocryptfs|encfs).*)?"
)


def is_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether `path`, which need not exist yet, lies on a network file system.

    Where there is no table of mounts, every path counts as local.
    """
    innermost = _innermost(path, mounts)
    return innermost is not None and NETWORK.fullmatch(innermost[1]) is not None


def point_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The mount point on which `path` stands, which need not exist yet; None where that cannot be known."""
    innermost = _innermost(path, mounts)
    return innermost[0] if innermost else None


def kind_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system that `path` lies on, such as ext4; None where that cannot be known."""
    innermost = _innermost(path, mounts)
    return innermost[1] if innermost else None


def is_point(path: str, mounts: Path = MOUNTS) -> bool:
    """Whether something is mounted on `path` itself."""
    return any(point == path for point, _ in _table(mounts))


def _innermost(path: Path, mounts: Path) -> tuple[str, str] | None:
    """The mount point and the kind of file system of a path; of two on one point, the one that was mounted last."""
    real = os.path.realpath(path)
    found = [
        (point, kind) for point, kind in _table(mounts) if real == point or real.startswith(point.rstrip("/") + "/")
    ]
    return max(reversed(found), key=lambda mount: len(mount[0]), default=None)


def _table(mounts: Path) -> Iterator[tuple[str, str]]:
    """Mount points with their kinds, from Linux' table (proc(5), mountinfo); nothing where there is none."""
    try:
        table = mounts.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    for line in table.split("\n"):  # a name may hold what `splitlines` takes for an end
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) >= 5 and right:
            yield _unescape(fields[4]), right.split(" ")[0]


def _unescape(field: str) -> str:
    """The kernel writes blanks and backslashes of a mount point in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
