"""What is put before the daemon: a home, a few pictures, and what must become of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import homes
import tiny_model

from watcher.home import make_home, open_home
from watcher.settings import Settings

LONG = "/".join(name * 30 for name in ("long", "path", "deep"))  # too long for one name in the claim folder
NOTE = ".reason.txt"
OTHER_DISK = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A picture in the inbox. `path` is as on disk, `clean` as it must be called afterwards; no label: it is broken."""

    path: bytes
    clean: str
    data: bytes
    label: str | None


RED = homes.picture("red", 1)
PICTURES = (
    Dropped(b"a.png", "a.png", RED, "red"),
    Dropped(b"again.png", "again.png", RED, "red"),
    Dropped(b"broken.png", "broken.png", RED[:60], None),
    Dropped(b"slide/b.jpg", "slide/b.jpg", homes.picture("green", 2, "JPEG"), "green"),
    Dropped(b"t\xe9 1%\n~x.png", "t%E9 1%%0A~x.png", homes.picture("blue", 3), "blue"),
    Dropped(f"{LONG}/c.jpg".encode(), f"{LONG}/c.jpg", homes.picture("blue", 4, "JPEG"), "blue"),
)
# Of the red picture the model says 0.7204, and more of the others.
DOUBTED = 0.7208


@dataclass(frozen=True, slots=True)
class Scene:
    """How the daemon is set up."""

    name: str
    originals: str = "move"
    apart: bool = False  # outbox, done and failed are on another file system
    fresh: bool = False  # nothing has run here: there is no database yet
    inject: tuple[str, ...] = ()  # what the system never allows


SCENES = {
    scene.name: scene
    for scene in (
        Scene("move"),
        Scene("keep", "keep"),
        Scene("delete", "delete"),
        Scene("apart", apart=True),
        Scene("fresh", fresh=True),
        Scene("links", inject=("renameat2:error=EINVAL",)),  # as on file systems that cannot refuse to replace
        Scene("no links", inject=("renameat2:error=EINVAL", "linkat:error=EPERM")),  # as on FAT and some shares
    )
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene as it stands on disk; `near` and `far` are on two file systems where the scene wants that."""

    scene: Scene
    near: Path
    far: Path
    marks: tuple[bytes, ...] = ()  # of the pictures' files, as a copy that is being made is named for its source

    def place_of(self, path: bytes) -> tuple[str, bytes]:
        """A path below one of the two folders, or a relative one, so that it is the same on every stage of the scene."""
        folder = next((name for name in ("near", "far") if path.startswith(bytes(getattr(self, name)))), "")
        inside = path.removeprefix(self._top(folder))
        for number, mark in enumerate(self.marks):
            inside = inside.replace(mark, b"{%d}" % number)
        return folder, inside

    def path_at(self, folder: str, inside: bytes) -> bytes:
        """The path of a place, here."""
        for number, mark in enumerate(self.marks):
            inside = inside.replace(b"{%d}" % number, mark)
        return self._top(folder) + inside

    def _top(self, folder: str) -> bytes:
        return bytes(getattr(self, folder)) if folder else b""

    @property
    def root(self) -> Path:
        return self.near / "home"

    @property
    def aside(self) -> Path:
        """Where outbox, done and failed are."""
        return self.far if self.scene.apart else self.root

    @property
    def files(self) -> list[str]:
        """All files that there are, by path as text."""
        return sorted(
            path
            for top in (self.root, self.far)
            for folder, _, names in os.walk(top)
            for path in (os.path.join(folder, name) for name in names)
        )

    def remove(self) -> None:
        shutil.rmtree(self.near)
        shutil.rmtree(self.far)


class Stages:
    """Sets scenes up, each in folders of its own below `slow` and, where there is a second file system, `fast`."""

    def __init__(self, slow: Path, fast: Path) -> None:
        self._fast = fast
        self._slow = slow
        self._models = slow / "models"
        tiny_model.install(self._models, DOUBTED)
        self._before: Path | None = None

    @property
    def are_apart(self) -> bool:
        return self._fast.stat().st_dev != self._slow.stat().st_dev

    def learn(self, stage: Stage) -> None:
        """Later stages begin with what an earlier run, on an empty inbox, has left on this one."""
        self._before = stage.root

    def set_up(self, scene: Scene, name: str, pictures: Sequence[Dropped] = PICTURES) -> Stage:
        """A home in two new folders of this name, with these pictures in its inbox."""
        stage = Stage(scene, self._fast / name, self._slow / name)
        stage.near.mkdir()
        stage.far.mkdir()
        folders = {"models": str(self._models)}
        if scene.apart:
            folders |= {kind: str(stage.far / kind) for kind in ("outbox", "done", "failed")}
        settings = {
            "folders": folders,
            "intake": {"settle_seconds": 0, "rescan_seconds": 0.1, "watch": "scan", "originals": scene.originals},
            "models": {"default": "tiny", "routes": {}},
            "inference": {"batch_size": 4},
        }
        make_home(stage.root, Settings.model_validate(settings))
        if self._before and not scene.fresh:
            for kept in ("watcher.db", ".watcher-id"):
                shutil.copyfile(self._before / kept, stage.root / kept)
        (stage.root / "inbox" / ".watcher").mkdir()
        if pictures:  # an earlier a.png had failed, and its picture was moved back
            (stage.aside / "failed" / f"a.png{NOTE}").write_text("Why: it was cut short.\n")
        marks = tuple(_put(stage.root / "inbox" / os.fsdecode(picture.path), picture.data) for picture in pictures)
        return replace(stage, marks=marks)


def _put(path: Path, data: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    status = path.stat()
    return b"%x-%x" % (status.st_dev, status.st_ino)


def database_of(stage: Stage) -> Path:
    return stage.root / open_home(stage.root).settings.database.url.removeprefix("sqlite:///")
