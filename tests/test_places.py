"""Which name a file gets in the outbox, in done and in failed, whatever stands there already."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from watcher.intake.arrivals import Claim, Fingerprint
from watcher.intake.inside import make_folder
from watcher.service import places
from watcher.service.places import LONGEST_PATH, Reservations, note_of, put_copy, put_original
from watcher.vision.encode import Caption, encode

ONE, TWO = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


def claim(path: str = "s/a.png", number: str = ONE) -> Claim:
    return Claim(number, path, Fingerprint(1, 2, 3, 4))


def copy_of(number: str, label: str = "red") -> bytes:
    """The bytes of an annotated copy that belongs to a claim."""
    from PIL import Image

    caption = Caption(claim=number, model="tiny", version=1, label=label, score=0.5)
    return encode(Image.new("RGB", (8, 8)), "png", caption).data


def publish(outbox: Path, number: str = ONE, path: str = "s/a.png", label: str = "red") -> str:
    outbox.mkdir(exist_ok=True)
    half = outbox / f".{number}.tmp"
    half.write_bytes(copy_of(number, label))
    target = put_copy(half, outbox, claim(number=number), path)
    assert not half.exists()
    return str(target.relative_to(outbox))


def test_a_copy_gets_the_name_of_its_picture(tmp_path: Path) -> None:
    """Under the same sub-folder, which is made."""
    assert publish(tmp_path) == "s/a.png"
    assert (tmp_path / "s/a.png").read_bytes() == copy_of(ONE)


def test_a_copy_of_another_picture_is_never_replaced(tmp_path: Path) -> None:
    """The second one's name carries its claim's id."""
    publish(tmp_path)
    assert publish(tmp_path, TWO) == "s/a~bbbbbbbb.png"
    assert (tmp_path / "s/a.png").read_bytes() == copy_of(ONE)


def test_its_own_copy_from_before_a_crash_is_replaced(tmp_path: Path) -> None:
    """A picture that is done again has one copy, the newer, also where its own name was taken."""
    publish(tmp_path, TWO)
    assert publish(tmp_path, label="red") == "s/a~aaaaaaaa.png"
    assert publish(tmp_path, label="blue") == "s/a~aaaaaaaa.png"
    assert (tmp_path / "s/a~aaaaaaaa.png").read_bytes() == copy_of(ONE, "blue")
    assert len(list((tmp_path / "s").iterdir())) == 2


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link", "fifo"])
def test_what_is_not_ours_is_never_replaced_by_a_copy(tmp_path: Path, kind: str) -> None:
    """Whatever a person put under the name stays as it is."""
    (tmp_path / "s").mkdir()
    foreign = tmp_path / "s/a.png"
    match kind:
        case "file":
            foreign.write_text("mine")
        case "folder":
            foreign.mkdir()
        case "dangling link":
            foreign.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(foreign)
    before = os.lstat(foreign)
    assert publish(tmp_path) == "s/a~aaaaaaaa.png"
    assert os.path.samestat(os.lstat(foreign), before)


def test_a_file_in_the_place_of_a_folder_is_gone_round(tmp_path: Path) -> None:
    """The copy then stands at the top, under a name that no other has."""
    (tmp_path / "s").write_text("mine")
    assert publish(tmp_path) == "a~aaaaaaaaaaaaaaaa.png"
    assert (tmp_path / "s").read_text() == "mine"


@pytest.mark.parametrize("path", ["%0A" * 200 + ".png", "%0A" * 200 + "/a.png", "é" * 127 + "é.png"])
def test_names_that_grew_too_long_are_cut(tmp_path: Path, path: str) -> None:
    """Cleaning can make of 255 bytes three times as many, of files and of folders."""
    name = publish(tmp_path, path=path)
    assert name.endswith(".png")
    assert all(len(part.encode()) <= 255 for part in name.split("/"))
    assert publish(tmp_path, TWO, path=path).endswith("~bbbbbbbb.png")


DEEP = "/".join(["%0A" * 80] * 20) + "/a.png"


def test_a_path_that_grew_too_long_keeps_its_last_name(tmp_path: Path) -> None:
    """Its folders are left out, for no system call would take them."""
    assert publish(tmp_path, path=DEEP) == "a~aaaaaaaaaaaaaaaa.png"
    chosen = Reservations().choose(tmp_path / "done", claim(DEEP))
    assert chosen == tmp_path / "done" / "a~aaaaaaaaaaaaaaaa.png"
    assert len(os.fsencode(tmp_path / DEEP)) > LONGEST_PATH


def test_names_are_given_out_once(tmp_path: Path) -> None:
    """Two pictures of one name in one batch get two, before either is moved there."""
    reserved = Reservations()
    assert reserved.choose(tmp_path, claim()) == tmp_path / "s/a.png"
    assert reserved.choose(tmp_path, claim(number=TWO)) == tmp_path / "s/a~bbbbbbbb.png"


def test_a_name_that_anything_has_is_not_given_out(tmp_path: Path) -> None:
    """A dangling link has a name, too."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s/a.png").symlink_to("nowhere")
    assert Reservations().choose(tmp_path, claim()) == tmp_path / "s/a~aaaaaaaa.png"


def test_a_file_cannot_hold_a_picture(tmp_path: Path) -> None:
    """The place below a file in done is not given out."""
    (tmp_path / "s").write_text("mine")
    assert Reservations().choose(tmp_path, claim()) == tmp_path / "a~aaaaaaaaaaaaaaaa.png"


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_name_is_not_both_file_and_folder(tmp_path: Path, folder_first: bool) -> None:
    """`x.jpg/b.png` and a later `x.jpg` can come in one batch; both find a place."""
    claims = [claim("x.jpg/b.png"), claim("x.jpg", TWO)]
    reserved = Reservations()
    places = []
    for each in claims if folder_first else reversed(claims):
        source = tmp_path / each.id
        source.write_text(each.path)
        places.append((source, reserved.choose(tmp_path / "done", each), each))
    for source, target, each in places:
        assert put_original(source, target, each, tmp_path / "done") == target
        assert target.read_text() == each.path


def test_an_original_is_moved_once(tmp_path: Path) -> None:
    """To repeat the move after a crash does no harm."""
    (tmp_path / "source").write_text("1")
    target = tmp_path / "done/s/a.png"
    for _ in range(2):
        assert put_original(tmp_path / "source", target, claim(), tmp_path / "done") == target
    assert target.read_text() == "1"
    assert not (tmp_path / "source").exists()


@pytest.mark.parametrize("link", [True, False])
def test_an_original_whose_move_was_cut_short_is_moved_to_its_end(tmp_path: Path, link: bool) -> None:
    """A crash can leave both names, of one file or, across file systems, of two."""
    source, target = tmp_path / "source", tmp_path / "a.png"
    source.write_text("1")
    if link:
        os.link(source, target)
    else:
        target.write_text("1")
    assert put_original(source, target, claim(), tmp_path) == target
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_foreign_file_that_took_the_name_meanwhile_stays(tmp_path: Path) -> None:
    """The original then goes beside it; neither is lost."""
    source, target = tmp_path / "source", tmp_path / "done/a.png"
    source.write_text("ours")
    target.parent.mkdir()
    target.write_text("theirs")
    put = put_original(source, target, claim(), tmp_path)
    assert (put.name, put.read_text(), target.read_text()) == ("a~aaaaaaaaaaaaaaaa.png", "ours", "theirs")


def test_a_foreign_file_that_took_the_folders_name_meanwhile_stays(tmp_path: Path) -> None:
    """The original then goes to the nearest folder that is one."""
    source, target = tmp_path / "source", tmp_path / "done/s/t/a.png"
    source.write_text("ours")
    (tmp_path / "done").mkdir()
    (tmp_path / "done/s").write_text("theirs")
    put = put_original(source, target, claim(), tmp_path)
    assert (put.parent, put.read_text()) == (tmp_path / "done", "ours")
    assert (tmp_path / "done/s").read_text() == "theirs"


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    """Twice does no harm; a file in the way is a fault."""
    make_folder(tmp_path / "a/b/c")
    make_folder(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file/below")


def test_a_note_gets_a_name_of_its_own(tmp_path: Path) -> None:
    """Where a folder has the note's name, the failed picture and its note get another, each one of its own."""
    reserved = Reservations()
    (tmp_path / "a.jpg.reason.txt").mkdir()
    first = reserved.choose(tmp_path, claim("a.jpg"), ".reason.txt")
    second = reserved.choose(tmp_path, claim("a.jpg", TWO), ".reason.txt")
    assert {first.name, second.name} == {"a~aaaaaaaa.jpg", "a~bbbbbbbb.jpg"}


def test_the_notes_of_two_long_names_are_two(tmp_path: Path) -> None:
    """Names that are alike up to where the notes' are cut do not share one, and the pictures keep theirs."""
    long = tmp_path / f"{'a' * 248}1.jpg", tmp_path / f"{'a' * 248}2.jpg"
    first, second = note_of(long[0], claim(), ".reason.txt"), note_of(long[1], claim(number=TWO), ".reason.txt")
    assert first != second
    assert len(first.name) == len(second.name) == 255
    assert first.name.endswith("~aaaaaaaa.reason.txt")


def test_a_name_that_the_file_system_does_not_take_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of Windows refuses `a:b.jpg`; the picture comes out under its id instead of holding up all others."""
    real = places.move_new

    def refuse(source: Path, target: Path) -> None:
        if ":" in target.name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(source, target)

    monkeypatch.setattr(places, "move_new", refuse)
    (tmp_path / "half").write_bytes(b"copy")
    placed = places.put_copy(tmp_path / "half", tmp_path / "outbox", claim("a:b.jpg"), "a:b.jpg")
    assert placed == tmp_path / "outbox" / f"{ONE}.jpg"
    (tmp_path / "claimed").write_bytes(b"original")
    moved = put_original(tmp_path / "claimed", tmp_path / "done" / "a:b.jpg", claim("a:b.jpg"), tmp_path / "done")
    assert moved == tmp_path / "done" / f"{ONE}.jpg"
    assert moved.read_bytes() == b"original"


@pytest.mark.parametrize("way", ["link", "copy"])
def test_an_earlier_try_is_on_the_disk_before_the_original_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Or a power cut right then could take both. Bytes of a second name need no sync; its folder does."""
    source, target = tmp_path / "source.png", tmp_path / "done" / "a.png"
    source.write_bytes(b"picture")
    target.parent.mkdir()
    if way == "link":
        os.link(source, target)
    else:
        target.write_bytes(b"picture")
    synced: list[Path] = []
    sync = places.sync

    def watched(path: Path) -> None:
        assert source.exists()
        sync(path)
        synced.append(path)

    monkeypatch.setattr(places, "sync", watched)
    assert put_original(source, target, claim("a.png"), tmp_path / "done") == target
    assert synced == ([target.parent] if way == "link" else [target, target.parent])
    assert not source.exists() and target.read_bytes() == b"picture"
