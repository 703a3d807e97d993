"""Which file system a path lies on: network shares announce no events and break SQLite's WAL."""

from __future__ import annotations

import os
import re
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

    Reads Linux' mount table (proc(5), mountinfo); where there is none, every path counts as local.
    """
    try:
        table = mounts.read_text("utf-8", "surrogateescape")
    except OSError:
        return False
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in table.split("\n"):  # a name may hold what `splitlines` takes for an end
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = _unescape(fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return NETWORK.fullmatch(kind) is not None


def _unescape(field: str) -> str:
    """The kernel writes blanks and backslashes of a mount point in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
