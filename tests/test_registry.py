"""The registry: versions on disk, one of them current, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher import __version__
from watcher.errors import ModelError, ModelMissing
from watcher.models.history import HISTORY
from watcher.models.package import CARD, MODEL, digest_of, load
from watcher.models.registry import CURRENT, Registry

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ABOUT = {
    "labels": ("no", "yes"),
    "input_size": (16, 16),
    "resize": "squash",
    "base": "b",
    "weights": "w",
    "verified": False,
}


class Bytes:
    """What can be saved as a model; the registry looks no further."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def save(self, path: Path) -> None:
        path.write_bytes(self.data)


def install(registry: Registry, data: bytes = b"weights", name: str = "m") -> int:
    return registry.install(name, Bytes(data), ABOUT, NOW).card.version


def is_whole(registry: Registry, version: int) -> bool:
    folder = registry.root / "m" / str(version)
    return digest_of(folder / MODEL) == json.loads((folder / CARD).read_text())["digest"]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    return Registry(tmp_path / "models")


def test_an_empty_registry_says_what_to_do(registry: Registry) -> None:
    """A model that can be fetched is to be fetched, any other to be imported."""
    assert registry.names() == registry.versions("m") == list(registry.all()) == []
    assert not registry.has("m")
    with pytest.raises(ModelMissing, match="run `watcher models fetch xception`"):
        registry.current("xception")
    with pytest.raises(ModelMissing, match="bring one with `watcher models import m PATH`"):
        registry.current("m")


def test_the_last_one_stored_is_current(registry: Registry) -> None:
    """Versions count up from 1, and earlier ones stay."""
    assert [install(registry), install(registry), install(registry)] == [1, 2, 3]
    assert registry.has("m")
    assert registry.names() == ["m"]
    assert registry.versions("m") == [1, 2, 3]
    assert registry.current("m").id == "m/3"
    assert [(package.id, live) for package, live in registry.all()] == [("m/1", False), ("m/2", False), ("m/3", True)]


def test_a_package_holds_what_was_said_of_it(registry: Registry) -> None:
    """The card has what it was given, when, with what libraries, and the model's digest."""
    card = registry.install("m", Bytes(b"abc"), ABOUT, NOW).card
    assert card.labels == ("no", "yes")
    assert (card.name, card.version, card.created_at) == ("m", 1, NOW)
    assert card.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert {"keras", "backend", "tensorflow", "numpy", "scipy", "scikit-learn", "pillow"} <= card.libraries.keys()
    assert card.libraries["watcher"] == __version__
    assert registry.current("m").card == card
    assert {path.name for path in (registry.root / "m" / "1").iterdir()} == {MODEL, CARD}


def test_an_older_version_can_be_current(registry: Registry) -> None:
    """The file `current` alone says which one is live."""
    install(registry)
    install(registry)
    (registry.root / "m" / CURRENT).write_text("1\n")
    assert registry.current("m").card.version == 1
    assert install(registry) == 3


# Kills itself at the nth thing that it does to a disk; Keras is not needed for that.
CRASH = """
import os, signal, sys, types
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[3])
keras = types.SimpleNamespace(__version__="0", backend=types.SimpleNamespace(backend=lambda: "none"))
sys.modules["keras"] = keras
from test_registry import ABOUT, Bytes
from watcher.models.registry import Registry
root, left = sys.argv[1], int(sys.argv[2])
def hook(event, args):
    global left
    writes = event == "open" and (args[2] & (os.O_WRONLY | os.O_RDWR)) or event in ("os.mkdir", "os.rename")
    if writes and str(args[0]).startswith(root):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
Registry(Path(root)).install("m", Bytes(b"new"), ABOUT, datetime.now(UTC))
"""


def test_a_crash_leaves_the_old_version_or_the_new(registry: Registry) -> None:
    """Killed before whatever step, the current version is whole, and the next install cleans up and succeeds."""
    install(registry, b"old")
    outcomes = []
    for step in range(1, 30):
        root = registry.root.with_name(f"models-{step}")
        shutil.copytree(registry.root, root)
        command = [sys.executable, "-c", CRASH, str(root), str(step), str(Path(__file__).parent)]
        done = subprocess.run(command, check=False, timeout=120)
        copy = Registry(root)
        current = copy.current("m").card.version
        assert is_whole(copy, current)
        assert all(is_whole(copy, version) for version in copy.versions("m"))
        outcomes.append((done.returncode, current))
        newest = install(copy, b"newer")
        assert copy.current("m").card.version == newest > current
        assert not list(root.rglob("*.tmp"))
        if done.returncode == 0:
            break
    assert outcomes[-1] == (0, 2)
    assert outcomes[:-1] == sorted(outcomes[:-1]), "once the new one is current, it stays so"
    assert set(outcomes[:-1]) == {(-9, 1), (-9, 2)}  # before `current` is replaced, and after
    assert outcomes.count((-9, 1)) > 6


def test_two_at_a_time_take_turns(registry: Registry) -> None:
    """The daemon and commands may store the same model at the same time: each gets a version of its own."""
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda n: install(registry, bytes([n]) * 100_000), range(8)))
    assert sorted(versions) == registry.versions("m") == list(range(1, 9))
    assert all(is_whole(registry, version) for version in versions)
    assert registry.current("m").card.version == 8


def test_strange_things_among_the_versions_are_left_alone(registry: Registry) -> None:
    """Only numbers are versions."""
    install(registry)
    for name in ("²", "old", ".7.tmp", "1.bak", "-3"):
        (registry.root / "m" / name).mkdir()
    (registry.root / "notes.txt").write_text("mine")
    assert registry.versions("m") == [1]
    assert registry.names() == ["m"]
    assert install(registry) == 2


@pytest.mark.parametrize("content", [b"", b"two\n", b"\xff\xfe", "²".encode(), b"../other", b"1 2"])
def test_a_damaged_pointer_is_named(registry: Registry, content: bytes) -> None:
    """What `current` holds must be a number; else the fault is one line that names the file."""
    install(registry)
    (registry.root / "m" / CURRENT).write_bytes(content)
    with pytest.raises(ModelError, match=r"/m/current: ") as fault:
        registry.current("m")
    assert "\n" not in str(fault.value)


def test_a_pointer_to_nothing_is_named(registry: Registry) -> None:
    """The version that is current may have been removed by hand."""
    install(registry)
    shutil.rmtree(registry.root / "m" / "1")
    with pytest.raises(ModelError, match=r"/m/1/model\.json: cannot be read: No such file"):
        registry.current("m")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{", ""),
        ('"version": 1', '"version": 0'),
        ('"labels"', '"lables"'),
        ('"no",', ""),
        ('"resize": "squash"', '"resize": "stretch"'),
        ("16", "2"),
        ('"base": "b"', '"base": "\udcff"'),
    ],
)
def test_a_damaged_card_is_named(registry: Registry, before: str, after: str) -> None:
    """What is wrong with a card is one line that names the file."""
    install(registry)
    path = registry.root / "m" / "1" / CARD
    text = path.read_text()
    assert before in text
    path.write_bytes(text.replace(before, after, 1).encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"/m/1/model\.json: not a model's card: ") as fault:
        registry.current("m")
    assert "\n" not in str(fault.value)


def test_a_package_of_another_name_is_refused(registry: Registry) -> None:
    """Results would be recorded under the name on the card, so a copied folder is to be imported."""
    install(registry)
    shutil.copytree(registry.root / "m", registry.root / "other")
    with pytest.raises(ModelError, match="is the card of m/1; bring a package from elsewhere"):
        registry.current("other")


def test_a_model_that_is_gone_or_changed_is_refused(registry: Registry) -> None:
    """A model file must be there and have the digest of its card."""
    install(registry)
    package = registry.current("m")
    (package.folder / MODEL).write_bytes(b"other")
    with pytest.raises(ModelError, match=r"m/1: .*/model\.keras was changed since it was stored \(its digest"):
        load(package)
    os.unlink(package.folder / MODEL)
    with pytest.raises(ModelError, match=r"m/1: .*/model\.keras cannot be read: No such file"):
        load(package)


def test_a_store_that_fails_leaves_nothing(registry: Registry) -> None:
    """A full disk while the model is saved leaves the old version and no half one."""

    class Full:
        def save(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    install(registry)
    with pytest.raises(ModelError, match=r"cannot store m in .*: No space left on device"):
        registry.install("m", Full(), ABOUT, NOW)
    assert registry.versions("m") == [1]
    assert {path.name for path in (registry.root / "m").iterdir() if path.name != ".lock"} == {"1", CURRENT, HISTORY}


def test_a_file_in_the_way_is_a_clear_fault(registry: Registry) -> None:
    """Where the model's folder cannot be made, that is said."""
    registry.root.mkdir()
    (registry.root / "m").write_text("")
    with pytest.raises(ModelError, match="cannot store m in "):
        install(registry)


def test_a_card_that_says_nonsense_is_not_stored(registry: Registry) -> None:
    """An input that no picture could be fitted into is refused before anything is stored."""
    with pytest.raises(ModelError, match=r"cannot be stored: input_size\.0: .* 8"):
        registry.install("m", Bytes(b""), {**ABOUT, "input_size": (4, 4)}, NOW)
    assert not registry.has("m")


def test_a_damaged_version_does_not_hide_the_others(registry: Registry) -> None:
    """The list names the damaged one's fault and shows the rest."""
    install(registry)
    install(registry)
    (registry.root / "m" / "1" / CARD).write_text("{}")
    damaged, whole = list(registry.all())
    assert isinstance(damaged, ModelError)
    assert "/m/1/model.json" in str(damaged)
    assert not isinstance(whole, ModelError)
    assert (whole[0].card.version, whole[1]) == (2, True)
