"""The claim folder: one picture's way in, its attempts, and its way back, all told by names on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.intake.arrivals import Claim, Fingerprint, Seen
from watcher.intake.claims import FOLDER, ClaimFolder, new_id, short
from watcher.intake.presence import Presence
from watcher.intake.scan import look, scan

OWNER = "homeaaaa"
LONG = "/".join(["f" * 200, "g" * 200, "h" * 251 + ".jpg"])
ANY_NAME = [
    "a.jpg",
    "malaria/slide-12/cell.png",
    LONG,
    os.fsdecode(b"caf\xe9/\xff.jpg"),
    "two\nlines/a\n.jpg",
    "-rf.jpg",
    "%2F/%25%2F.jpg",
    "100%/a%.jpg",
    "x.jpg/inner.jpg",
    "a.jpg~/b~abc.jpg",
    "é" * 125 + ".jpg",
]


@pytest.fixture
def claims(tmp_path: Path) -> ClaimFolder:
    folder = ClaimFolder(tmp_path, OWNER)
    folder.make()
    return folder


def drop(inbox: Path, path: str, data: bytes = b"picture") -> Seen:
    (inbox / path).parent.mkdir(parents=True, exist_ok=True)
    (inbox / path).write_bytes(data)
    seen = look(inbox, path)
    assert seen is not None
    return seen


def taken(claims: ClaimFolder, seen: Seen) -> Claim:
    claim = claims.claim(seen)
    assert claim is not None
    return claim


def left_in(inbox: Path) -> list[str]:
    """All that the claim folder holds, folders too."""
    return [str(path.relative_to(inbox / FOLDER)) for path in (inbox / FOLDER).rglob("*")]


@pytest.mark.parametrize("path", ANY_NAME)
def test_a_picture_of_any_name_goes_in_and_comes_back(tmp_path: Path, claims: ClaimFolder, path: str) -> None:
    """Claimed, counted, recovered by the next process and put back, it is the same file under the same name."""
    seen = drop(tmp_path, path)
    claim = taken(claims, seen)
    assert not os.path.lexists(tmp_path / path)
    assert not any(isinstance(item, Seen) for item in scan(tmp_path))
    assert claims.file(claim).read_bytes() == b"picture"
    tried = claims.attempt(claims.attempt(claim))
    assert claims.file(tried).read_bytes() == b"picture"
    assert ClaimFolder(tmp_path, OWNER).recover() == [tried]
    assert tried == Claim(claim.id, path, seen.fingerprint, attempts=2)
    claims.put_back(tried)
    assert look(tmp_path, path) == seen
    assert left_in(tmp_path) == []


@example("x" * 227, 10)  # with attempts of one digit, a name of 255 bytes
@given(
    st.binary(min_size=1, max_size=700).map(lambda data: os.fsdecode(data.replace(b"\0", b"%"))),
    st.integers(0, 99),
)
def test_an_entry_says_where_its_picture_came_from(path: str, attempts: int) -> None:
    """The name of an entry is a file system's name for any path, in the same place whatever its attempts."""
    folder = ClaimFolder(Path("inbox"), OWNER)
    claim = Claim(new_id(), path, Fingerprint(1, 2, 3, 4))
    for moment in (claim, Claim(claim.id, path, claim.fingerprint, attempts)):
        name = folder._one_name(moment)
        assert (name is None) == (folder._one_name(claim) is None)
        if name is not None:
            assert len(os.fsencode(name)) <= 255
            assert "/" not in name


def test_a_fingerprint_is_kept_as_text(tmp_path: Path) -> None:
    """Results remember what stays in the inbox by this text, so its form is fixed; it tells any change."""
    seen = drop(tmp_path, "a.jpg")
    status = os.stat(tmp_path / "a.jpg")
    assert str(seen.fingerprint) == f"{status.st_ino}:7:{status.st_mtime_ns}"
    assert str(drop(tmp_path, "a.jpg", b"longer than that").fingerprint) != str(seen.fingerprint)


def test_ids_are_new_and_fit_every_file_system() -> None:
    """An id is 16 letters and digits of one case, so that no two differ by case alone; its short form starts it."""
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(each) == 16 and each.isalnum() and each == each.lower() for each in ids)
    assert all(each.startswith(short(each)) and len(short(each)) == 8 for each in ids)


@pytest.mark.parametrize("path", ["a.jpg", "s/a.jpg", LONG])
def test_a_picture_that_is_gone_is_not_claimed(tmp_path: Path, claims: ClaimFolder, path: str) -> None:
    """Nothing is left behind in the claim folder, whether the picture or its folder went away."""
    seen = drop(tmp_path, path)
    (tmp_path / path).unlink()
    assert claims.claim(seen) is None
    if "/" in path:
        (tmp_path / path).parent.rmdir()
        (tmp_path / path).parent.touch()  # now a file has the folder's name
        assert claims.claim(seen) is None
    assert left_in(tmp_path) == []


def test_a_picture_that_changed_since_it_settled_goes_back(tmp_path: Path, claims: ClaimFolder) -> None:
    """One more byte, and the claim is undone: the picture stands where it stood."""
    seen = drop(tmp_path, "s/a.jpg")
    with (tmp_path / "s/a.jpg").open("ab") as file:
        file.write(b"more")
    assert claims.claim(seen) is None
    assert (tmp_path / "s/a.jpg").read_bytes() == b"picturemore"
    assert left_in(tmp_path) == []


def test_a_picture_that_is_being_written_stays_where_it_is(tmp_path: Path, claims: ClaimFolder) -> None:
    """While somebody has it open for writing it is not moved, even for a moment."""
    seen = drop(tmp_path, "a.jpg")
    with (tmp_path / "a.jpg").open("ab"):
        assert claims.claim(seen) is None
        assert look(tmp_path, "a.jpg") == seen
    assert claims.claim(seen) is not None


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_what_took_a_pictures_place_goes_back(tmp_path: Path, claims: ClaimFolder, kind: str) -> None:
    """A link, a folder or a FIFO that replaced the settled picture is put back as it is, not followed or opened."""
    seen = drop(tmp_path, "a.jpg")
    (tmp_path / "a.jpg").unlink()
    if kind == "link":
        (tmp_path / "a.jpg").symlink_to("elsewhere")
    elif kind == "fifo":
        os.mkfifo(tmp_path / "a.jpg")
    else:
        drop(tmp_path, "a.jpg/inner.jpg")
    before = os.lstat(tmp_path / "a.jpg")
    assert claims.claim(seen) is None
    assert os.path.samestat(os.lstat(tmp_path / "a.jpg"), before)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("path", ["a.jpg", "s/a.jpg", LONG])
def test_the_same_name_dropped_again_is_kept(tmp_path: Path, claims: ClaimFolder, path: str) -> None:
    """A picture that comes back finds its name taken by a new one, and stands beside it."""
    claim = taken(claims, drop(tmp_path, path, b"first"))
    drop(tmp_path, path, b"second")
    claims.put_back(claim)
    pictures = {(tmp_path / item.path).read_bytes(): item.path for item in scan(tmp_path) if isinstance(item, Seen)}
    assert pictures.keys() == {b"first", b"second"}
    assert pictures[b"second"] == path
    assert os.path.dirname(pictures[b"first"]) == os.path.dirname(path)
    assert pictures[b"first"].endswith(f"~{short(claim.id)}.jpg")
    assert left_in(tmp_path) == []


def test_a_picture_whose_folder_is_gone_comes_back_into_a_new_one(tmp_path: Path, claims: ClaimFolder) -> None:
    """The sub-folder names its route and group, so it is made again."""
    claim = taken(claims, drop(tmp_path, "malaria/slide/a.jpg"))
    (tmp_path / "malaria/slide").rmdir()
    (tmp_path / "malaria").rmdir()
    claims.put_back(claim)
    assert look(tmp_path, "malaria/slide/a.jpg") is not None


def test_a_file_with_the_name_of_a_pictures_folder_is_not_in_its_way(tmp_path: Path, claims: ClaimFolder) -> None:
    """If it cannot come back into its folder, it comes back to the top rather than not at all."""
    claim = taken(claims, drop(tmp_path, "s/t/a.jpg"))
    (tmp_path / "s/t").rmdir()
    (tmp_path / "s").rmdir()
    drop(tmp_path, "s", b"a file")
    claims.put_back(claim)
    assert (tmp_path / f"a~{claim.id}.jpg").read_bytes() == b"picture"
    assert left_in(tmp_path) == []


def test_every_name_of_a_file_is_a_picture_of_its_own(tmp_path: Path, claims: ClaimFolder) -> None:
    """Hard links are claimed and put back one by one, and the file outside keeps its name."""
    outside = tmp_path / ".outside"
    outside.write_bytes(b"picture")
    for name in ("a.jpg", "b.jpg"):
        os.link(outside, tmp_path / name)
    seen = [item for item in scan(tmp_path) if isinstance(item, Seen)]
    claimed = [taken(claims, item) for item in seen]
    assert {claim.path for claim in claims.recover()} == {"a.jpg", "b.jpg"}
    os.link(outside, tmp_path / "a.jpg")  # dropped once more, while the first is in work
    for claim in claimed:
        claims.put_back(claim)
    assert len([item for item in scan(tmp_path) if isinstance(item, Seen)]) == 3
    assert outside.stat().st_nlink == 4


def test_an_inbox_that_does_not_let_us_is_a_fault_of_the_world(open_folder: Path, without_rights) -> None:
    """A picture that may not be moved is said to be so, and nothing is left half-way."""
    claims = ClaimFolder(open_folder, OWNER)
    claims.make()
    short_one, long_one = drop(open_folder, "s/a.jpg"), drop(open_folder, LONG)
    os.chmod(open_folder / FOLDER, 0o777)
    with without_rights():
        for seen in (short_one, long_one):
            with pytest.raises(PermissionError):
                claims.claim(seen)
    assert left_in(open_folder) == []
    assert look(open_folder, "s/a.jpg") == short_one


@pytest.mark.parametrize("path", ["a.jpg", LONG])
def test_an_empty_mount_point_is_never_made_to_look_like_an_inbox(tmp_path: Path, path: str) -> None:
    """Without the claim folder nothing is claimed, and above all it is not made: its absence says where we are."""
    claims = ClaimFolder(tmp_path, OWNER)
    assert not claims.is_there()
    with pytest.raises(FileNotFoundError):
        claims.claim(Seen(path, Fingerprint(1, 2, 3, 4)))
    assert list(tmp_path.iterdir()) == []
    assert claims.recover() == claims.ids() == []


def test_nothing_is_made_where_a_share_goes_away_in_that_moment(tmp_path: Path) -> None:
    """It was mounted at the first look and is not at the second: what was seen between them was its mount point."""
    looks = iter([True, False, True, True, True])

    def must_be_mounted() -> None:
        if not next(looks):
            raise FileNotFoundError

    claims = ClaimFolder(tmp_path, "abcdefgh", Presence(tmp_path, must_be_mounted))
    with pytest.raises(FileNotFoundError):
        claims.make()
    assert list(tmp_path.iterdir()) == []
    claims.make()
    assert [path.name for path in tmp_path.iterdir()] == [".watcher"]
