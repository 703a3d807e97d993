"""Which file systems count as network shares, by Linux' mount table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.mounts import MOUNTS, is_network, is_point, point_of

# As in proc(5): id, parent, device, root, mount point, options, optional fields, "-", type, source, options.
LINE = "{number} 1 0:{number} / {point} rw,relatime shared:{number} master:1 - {kind} {source} rw\n"


def table(folder: Path, *mounts: tuple[str, str]) -> Path:
    """A mount table with the root on ext4 and these mount points of these types."""
    path = folder / "mountinfo"
    lines = [LINE.format(number=1, point="/", kind="ext4", source="/dev/vda1")]
    for number, (point, kind) in enumerate(mounts, 2):
        escaped = point.replace("\\", r"\134").replace(" ", r"\040").replace("\n", r"\012")
        lines.append(LINE.format(number=number, point=escaped, kind=kind, source="server:/pictures"))
    path.write_bytes(os.fsencode("".join(lines)))
    return path


SHARES = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "virtiofs",
    "vboxsf",
    "davfs",
]
FUSE_SHARES = ["fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gvfsd-fuse", "fuse.glusterfs", "fuse.unheard-of", "fuse"]
LOCAL = [
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "tmpfs",
    "overlay",
    "vfat",
    "exfat",
    "ntfs3",
    "fuseblk",
    "fuse.mergerfs",
    "fuse.gocryptfs",
]


@pytest.mark.parametrize("kind", SHARES + FUSE_SHARES)
def test_shares_are_known(tmp_path: Path, kind: str) -> None:
    """A folder on a share announces no events from other machines and holds no SQLite database."""
    mounts = table(tmp_path, (str(tmp_path / "share"), kind))
    assert is_network(tmp_path / "share", mounts)
    assert is_network(tmp_path / "share" / "not" / "yet" / "there", mounts)
    assert not is_network(tmp_path / "shared", mounts)
    assert not is_network(tmp_path, mounts)


@pytest.mark.parametrize("kind", LOCAL)
def test_disks_are_no_shares(tmp_path: Path, kind: str) -> None:
    """Local file systems, also those that FUSE drives over a local disk."""
    assert not is_network(tmp_path / "disk", table(tmp_path, (str(tmp_path / "disk"), kind)))


def test_the_innermost_mount_counts(tmp_path: Path) -> None:
    """A disk mounted below a share is a disk, whatever the order of the table; of two on one point, the later."""
    share, disk = (str(tmp_path / "s"), "nfs4"), (str(tmp_path / "s" / "disk"), "ext4")
    for order in ((share, disk), (disk, share)):
        mounts = table(tmp_path, *order)
        assert is_network(tmp_path / "s", mounts)
        assert not is_network(tmp_path / "s" / "disk" / "a.jpg", mounts)
    assert is_network(tmp_path / "s", table(tmp_path, (share[0], "ext4"), share))
    assert not is_network(tmp_path / "s", table(tmp_path, share, (share[0], "ext4")))


def test_a_whole_system_may_lie_on_a_share(tmp_path: Path) -> None:
    """A machine without a disk has its root on NFS."""
    assert is_network(tmp_path, table(tmp_path, ("/", "nfs4")))


@pytest.mark.parametrize("name", ["with blank", "back\\slash", "new\nline", "caf\udce9", "日本", "a - b", "a\u2028b"])
def test_mount_points_of_any_name_are_read(tmp_path: Path, name: str) -> None:
    """Blanks and the like are octal in the table, all other bytes are as they are."""
    mounts = table(tmp_path, (str(tmp_path / name), "cifs"))
    assert is_network(tmp_path / name / "inbox", mounts)


def test_a_link_to_a_share_lies_on_the_share(tmp_path: Path) -> None:
    """What counts is where the folder really is."""
    (tmp_path / "share").mkdir()
    (tmp_path / "inbox").symlink_to("share")
    assert is_network(tmp_path / "inbox", table(tmp_path, (str(tmp_path / "share"), "nfs")))


def test_without_a_readable_table_everything_is_local(tmp_path: Path) -> None:
    """Other systems have none, and lines of an unknown form are passed over."""
    assert not is_network(tmp_path, tmp_path / "none")
    (tmp_path / "odd").write_text("\n1 2 3\nno dash at all in this line of nine words\n - nfs x rw\n")
    assert not is_network(tmp_path, tmp_path / "odd")


@pytest.mark.skipif(not MOUNTS.exists(), reason="no mount table on this system")
def test_the_systems_own_table_is_understood(tmp_path: Path) -> None:
    """Processes' own folder is mounted everywhere, and no share."""
    assert not is_network(Path("/proc/self"))


def test_the_mount_point_of_a_path_is_known(tmp_path: Path) -> None:
    """Of one that is not there yet, too; without a table nothing is."""
    mounts = table(tmp_path, ("/srv/a share", "nfs4"))
    assert point_of(Path("/srv/a share/inbox/slide"), mounts) == "/srv/a share"
    assert point_of(Path("/srv/a shared/inbox"), mounts) == "/"
    assert point_of(Path("/srv"), tmp_path / "none") is None
    assert is_point("/srv/a share", mounts)
    assert not is_point("/srv", mounts) and not is_point("/", tmp_path / "none")
