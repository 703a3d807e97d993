"""A symbolic link is followed neither out of the inbox nor out of what Watcher writes: a secret never comes back."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from homes import drop, make, paths, picture, rows, run_once
from reprocessing import NOON, classified, with_tables

from watcher.home import Home
from watcher.intake.arrivals import Claim, Fingerprint, LeftAlone, Seen
from watcher.intake.claims import FOLDER, ClaimFolder, new_id
from watcher.intake.scan import LINK, look, scan
from watcher.results import State
from watcher.results.superseding import Outdated
from watcher.service.identity import identity
from watcher.service.places import Reservations, put_copy, put_original
from watcher.service.way_back import WayBack
from watcher.vision.encode import Caption, encode, read_caption

SECRET = picture("blue", seed=99)
DEEP = "/".join(["d" * 200] * 3) + "/secret.png"  # too long for a claim of one name


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder that nobody has dropped anything into, with a picture that is nobody's business."""
    folder = tmp_path / "secret"
    drop(folder, "secret.png", SECRET)
    return folder


@pytest.fixture
def home(tmp_path: Path, tiny_home_models: Path) -> Home:
    return make(tmp_path / "home", tiny_home_models)


def is_safe(home: Home, secret: Path) -> bool:
    """Nothing was made of the secret, and it stands where it stood."""
    sizes = {row.size for row in rows(home)}
    return len(SECRET) not in sizes and paths(secret) == {"secret.png"} and not paths(home.outbox)


def originals(home: Home) -> dict[str, Path]:
    """Where the originals are, as recorded, by the state of their pictures."""
    with sqlite3.connect(home.root / "watcher.db") as database:
        return {state: home.root / path for state, path in database.execute("SELECT state, original_path FROM images")}


def seen(path: Path, name: str) -> Seen:
    """What a scan that had been led astray would say."""
    return Seen(name, Fingerprint.of(os.stat(path)))


def test_links_in_the_inbox_are_left_alone(home: Home, secret: Path) -> None:
    """To a file, to a folder, by way of another link, relative and absolute; each is told of."""
    (home.inbox / "file.png").symlink_to(secret / "secret.png")
    (home.inbox / "folder").symlink_to(secret)
    (home.inbox / "again.png").symlink_to("file.png")
    (home.inbox / "up.png").symlink_to("../../secret/secret.png")
    (home.inbox / "folder.png").symlink_to(secret)
    assert run_once(home) == []
    assert is_safe(home, secret)
    told = {item.path: item.reason for item in scan(home.inbox) if isinstance(item, LeftAlone)}
    assert told == dict.fromkeys(("file.png", "folder", "again.png", "up.png", "folder.png"), LINK)


def test_an_inbox_that_is_a_link_itself_is_what_the_settings_name(tmp_path: Path, tiny_home_models: Path) -> None:
    """So is an outbox: whoever writes the settings may point them anywhere."""
    for name in ("in", "out"):
        (tmp_path / f"real {name}").mkdir()
        (tmp_path / name).symlink_to(f"real {name}")
    home = make(tmp_path / "home", tiny_home_models, folders={"inbox": "../in", "outbox": "../out"})
    drop(home.inbox, "s/a.png", picture())
    run_once(home)
    assert paths(tmp_path / "real out") == {"s/a.png"}


class TestSwapped:
    """A folder that was one when it was looked at, and is a link when it is used."""

    def test_while_a_scan_goes_on(self, tmp_path: Path, secret: Path) -> None:
        """A scan notes folders first and enters them later."""
        drop(tmp_path / "inbox", "s/a.png", picture())
        (tmp_path / "inbox/t").mkdir()
        found = scan(tmp_path / "inbox")
        first = next(found, None)
        assert first is None or isinstance(first, Seen)
        for name in ("s", "t"):
            os.rename(tmp_path / "inbox" / name, tmp_path / f"old {name}")
            (tmp_path / "inbox" / name).symlink_to(secret)
        assert [item for item in found if isinstance(item, Seen)] == []

    def test_before_the_second_look(self, tmp_path: Path, secret: Path) -> None:
        """There is nothing there any more."""
        (tmp_path / "s").symlink_to(secret)
        assert look(tmp_path, "s/secret.png") is None

    @pytest.mark.parametrize("name", ["s/secret.png", DEEP], ids=["short", "long"])
    def test_before_the_claim(self, tmp_path: Path, secret: Path, name: str) -> None:
        """Even if the scan had been led astray: the secret is not moved."""
        claims = ClaimFolder(tmp_path, "me")
        claims.make()
        (tmp_path / name).parent.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).parent.symlink_to(secret)
        assert claims.claim(seen(secret / "secret.png", name)) is None
        assert paths(secret) == {"secret.png"}
        assert paths(tmp_path / FOLDER) == set()

    @pytest.mark.parametrize("name", ["secret.png", DEEP], ids=["short", "long"])
    def test_before_it_is_opened(self, tmp_path: Path, secret: Path, name: str) -> None:
        """The claimed picture, or a folder above it in the claim folder."""
        claims = ClaimFolder(tmp_path, "me")
        claims.make()
        drop(tmp_path, name, picture())
        claim = claims.claim(seen(tmp_path / name, name))
        assert claim
        os.close(claims.open(claim))
        file = claims.file(claim)
        file.unlink()
        if name == DEEP:
            file.parent.rmdir()
            file.parent.symlink_to(secret)
        else:
            file.symlink_to(secret / "secret.png")
        with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
            claims.open(claim)

    def test_before_it_goes_back(self, tmp_path: Path, secret: Path) -> None:
        """A picture that is let go again stays in the inbox."""
        claims = ClaimFolder(tmp_path, "me")
        claims.make()
        drop(tmp_path, "s/a.png", picture())
        claim = claims.claim(seen(tmp_path / "s/a.png", "s/a.png"))
        assert claim
        (tmp_path / "s").rmdir()
        (tmp_path / "s").symlink_to(secret)
        claims.put_back(claim)
        assert paths(secret) == {"secret.png"}
        assert (tmp_path / f"a~{claim.id}.png").read_bytes() == picture()


def test_what_somebody_has_planted_in_the_claim_folder_leads_nowhere(home: Home, secret: Path) -> None:
    """Names like those of claims left by a crash: links to a picture, to a folder, and paths that lead out."""
    (home.inbox / FOLDER).mkdir()
    owner = identity(home.root)
    (secret / "empty").mkdir()
    (home.inbox / FOLDER / f"{owner}.{new_id()}.0.a.png").symlink_to(secret / "secret.png")
    (home.inbox / FOLDER / f"{owner}.{new_id()}.0").symlink_to(secret)
    outside = home.inbox / FOLDER / f"{owner}.{new_id()}.0.%2F..%2F..%2Fevil.png"
    outside.write_bytes(picture())
    assert run_once(home) == []
    assert (home.inbox / "a.png").is_symlink()  # put back, and left alone there
    (secret / "empty").rmdir()
    assert is_safe(home, secret)
    assert outside.exists()
    assert not list(home.root.parent.glob("**/evil*"))


def test_a_claim_folder_that_is_a_link_is_refused(tmp_path: Path, secret: Path) -> None:
    """Neither are pictures claimed into it nor are claims found in it."""
    drop(tmp_path, "a.png", picture())
    (tmp_path / FOLDER).symlink_to(secret)
    claims = ClaimFolder(tmp_path, "me")
    assert not claims.is_there()
    for attempt in (claims.make, lambda: claims.claim(seen(tmp_path / "a.png", "a.png"))):
        with pytest.raises(NotADirectoryError, match="no link: remove it"):
            attempt()
    assert paths(secret) == {"secret.png"}


@pytest.fixture(params=["s", "s/t"])
def linked(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Callable[[Path], Path]:
    """Makes one of the folders that a picture needs below outbox, done or failed a link to elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def link(root: Path) -> Path:
        (root / request.param).parent.mkdir(exist_ok=True)
        (root / request.param).symlink_to(elsewhere)
        return elsewhere

    return link


def test_nothing_is_written_through_a_link(home: Home, linked: Callable[[Path], Path]) -> None:
    """Copy, original, failed picture and note stand beside it instead, where their rows say."""
    for folder in (home.outbox, home.done, home.failed):
        elsewhere = linked(folder)
    drop(home.inbox, "s/t/good.png", picture())
    drop(home.inbox, "s/t/bad.png", b"x")
    found = {row.state: row for row in run_once(home)}
    assert paths(elsewhere) == set()
    caption = read_caption(home.root / str(found[State.DONE].outbox_path))
    assert caption and caption.label == "red"
    put = originals(home)
    assert put["done"].read_bytes() == picture()
    assert put["failed"].read_bytes() == b"x"
    assert Path(f"{put['failed']}.reason.txt").exists()


def test_a_note_behind_a_link_is_not_removed(home: Home, linked: Callable[[Path], Path]) -> None:
    """When a picture of the name of a failed one is read, the note that stands in another folder is not its own."""
    elsewhere = linked(home.failed)
    note = elsewhere / ("t/a.png.reason.txt" if (home.failed / "s").is_symlink() else "a.png.reason.txt")
    note.parent.mkdir(exist_ok=True)
    note.write_text("mine")
    drop(home.inbox, "s/t/a.png", picture())
    run_once(home)
    assert note.read_text() == "mine"


def claim_of(path: str) -> Claim:
    return Claim("a" * 16, path, Fingerprint(1, 2, 3, 4))


def copy_of(claim: Claim) -> bytes:
    from PIL import Image

    caption = Caption(claim=claim.id, model="tiny", version=1, label="red", score=0.5)
    return encode(Image.new("RGB", (8, 8)), "png", caption).data


def test_a_link_to_its_own_copy_is_not_taken_for_the_copy(tmp_path: Path) -> None:
    """Neither read nor replaced: the copy gets a name of its own."""
    claim = claim_of("a.png")
    (tmp_path / "outbox").mkdir()
    (tmp_path / "theirs.png").write_bytes(copy_of(claim))
    (tmp_path / "outbox/a.png").symlink_to(tmp_path / "theirs.png")
    (tmp_path / "outbox/half").write_bytes(copy_of(claim))
    assert put_copy(tmp_path / "outbox/half", tmp_path / "outbox", claim, "a.png").name == "a~aaaaaaaa.png"
    assert (tmp_path / "outbox/a.png").is_symlink()
    with pytest.raises(OSError) as fault:
        read_caption(tmp_path / "outbox/a.png")
    assert fault.value.errno == errno.ELOOP


def test_a_link_to_the_same_content_is_not_taken_for_the_original(tmp_path: Path) -> None:
    """Or the only picture there is would be removed."""
    (tmp_path / "claimed").write_bytes(b"1")
    (tmp_path / "theirs").write_bytes(b"1")
    (tmp_path / "done").mkdir()
    (tmp_path / "done/a.png").symlink_to(tmp_path / "theirs")
    put = put_original(tmp_path / "claimed", tmp_path / "done/a.png", claim_of("a.png"), tmp_path / "done")
    assert (put.name, put.read_bytes()) == ("a~aaaaaaaaaaaaaaaa.png", b"1")


@pytest.mark.parametrize("path", ["s/t/a.png", "s/a.png"])
def test_a_folder_that_became_a_link_after_its_place_was_recorded_holds_nothing(tmp_path: Path, path: str) -> None:
    """The original then goes to the nearest folder that is one."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "claimed").write_bytes(b"1")
    target = Reservations().choose(tmp_path / "done", claim_of(path))
    assert target == tmp_path / "done" / path
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    target.parent.symlink_to(tmp_path / "elsewhere")
    put = put_original(tmp_path / "claimed", target, claim_of(path), tmp_path / "done")
    assert put.parent == target.parent.parent
    assert paths(tmp_path / "elsewhere") == set()


def test_an_original_behind_a_link_is_not_put_in_line(tmp_path: Path, tiny_home_models: Path, secret: Path) -> None:
    """`reprocess` brings back what Watcher has put away, and nothing that somebody has put in its place."""
    home = with_tables(make(tmp_path / "home", tiny_home_models))
    classified(home, "s/secret.png")
    (row,) = rows(home)
    original = str(originals(home)["done"].relative_to(home.root))
    old = Outdated(
        id=row.id,
        claim="c" * 16,
        path=row.path,
        size=len(SECRET),
        state=State.DONE,
        finished_at=NOON,
        outbox_path=row.outbox_path,
        original_path=original,
        kept=None,
    )
    for folder in (home.done, home.outbox):
        os.rename(folder / "s", folder / "old")
        (folder / "s").symlink_to(secret)
    way = WayBack(home)
    assert not way.has(old, {original: row.id})
    way.go(old, {original: row.id})
    assert paths(secret) == {"secret.png"}
    assert paths(home.inbox) == set()
