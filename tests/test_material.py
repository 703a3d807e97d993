"""The pictures as they are learned from: read once, unreadable ones and contradictions left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import homes
import numpy as np
import pytest
import trainings

from watcher.errors import DataError
from watcher.training import pixels
from watcher.training.examples import find_examples
from watcher.training.material import Material, prepare, sample
from watcher.training.pixels import read_pixels
from watcher.training.recipe import Recipe


def nothing(done: int, total: int) -> None:
    """Nobody looks on."""


def prepared(source: Path, watching: trainings.Watcher | None = None, **changes: float) -> Material:
    """Its folder of work stands beside the source."""
    folder = source.with_name("work")
    folder.mkdir(exist_ok=True)
    examples = find_examples(source, r"^\d+")
    return prepare(examples, 32, Recipe(**changes), folder, watching or trainings.Watcher())


def test_pictures_are_read_once_and_numbered(tmp_path: Path) -> None:
    """A second call takes what the first read, even if the files are gone."""
    source = trainings.drop(tmp_path / "set")
    first, examples = prepared(source), find_examples(source, r"^\d+")
    assert first.labels == ("blue", "red")
    assert first.pixels.array.shape == (48, 32, 32, 3)
    assert (first.pixels.array.mean(axis=(1, 2)).argmax(axis=1) == np.where(first.truth == 0, 2, 0)).all()
    shutil.rmtree(source)
    again = prepare(examples, 32, Recipe(), tmp_path / "work", trainings.Watcher())
    assert np.array_equal(first.pixels.array, again.pixels.array)
    assert first.pixels.contents == again.pixels.contents


def test_unreadable_pictures_are_listed_and_left_out(tmp_path: Path) -> None:
    """Twenty of them by name, with the reason; the others keep their places."""
    source = trainings.drop(tmp_path / "set")
    for number in range(25):
        homes.drop(source, f"blue/{number}-broken.png", b"just text")
    (source / "red/3-gone.png").symlink_to("nowhere")
    watching = trainings.Watcher()
    material = prepared(source, watching)
    assert len(material.pixels.array) == len(material.pixels.examples) == len(material.truth) == 48
    assert len(material.pixels.unreadable) == 26
    assert watching.notes == list(material.notes)
    assert len(material.notes) == 21
    assert "left out, it is text" in material.notes[0] and "broken.png" in material.notes[0]
    assert material.notes[-1] == "and 6 more were left out"
    reasons = {missed.reason for missed in material.pixels.unreadable}
    assert "it cannot be read: No such file or directory" in reasons


def test_readable_pictures_stand_close_and_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over chunks with unreadable ones at every place; none of the file is copied into memory."""
    monkeypatch.setattr(pixels, "_CHUNK", 5)
    source = trainings.drop(tmp_path / "set", groups=4)
    (tmp_path / "whole").mkdir()
    (tmp_path / "work").mkdir()
    whole = read_pixels(find_examples(source), 32, tmp_path / "whole", nothing)
    for name in ("blue/0-0a", "blue/0-0b", "blue/1-2a", "red/3-2a"):
        homes.drop(source, f"{name}.png", b"just text")
    found = read_pixels(find_examples(source), 32, tmp_path / "work", nothing)
    assert found.examples == whole.examples and found.contents == whole.contents and len(found.unreadable) == 4
    assert np.array_equal(found.array, whole.array)
    assert isinstance(found.array, np.memmap) and Path(found.array.filename) == tmp_path / "work/pixels.npy"


def test_reading_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To some chunks, and comes to the same."""
    monkeypatch.setattr(pixels, "_CHUNK", 4)
    source = trainings.drop(tmp_path / "set", groups=6)
    homes.drop(source, "blue/0-0a.png", b"just text")
    examples = find_examples(source)

    def stop(done: int, total: int) -> None:
        if done == 28:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_pixels(examples, 32, tmp_path, stop)
    for example in examples[:16]:
        example.path.unlink()
    told: list[tuple[int, int]] = []
    found = read_pixels(examples, 32, tmp_path, lambda *done: told.append(done))
    assert told == [(20, 37), (24, 37), (28, 37), (32, 37), (36, 37), (37, 37)]
    assert len(found.examples) == len(set(found.contents)) == len(found.array) == 36
    colours = found.array.mean(axis=(1, 2)).argmax(axis=1)
    assert colours.tolist() == [{"blue": 2, "red": 0}[example.label] for example in found.examples]


def test_nothing_readable_is_refused(tmp_path: Path) -> None:
    """And so is what leaves one label alone."""
    for label in ("a", "b"):
        for number in range(3):
            homes.drop(tmp_path / "set", f"{label}/{number}.png", b"just text")
    with pytest.raises(DataError, match="none of the 6 pictures can be read; the first: left out, it is text"):
        prepared(tmp_path / "set")
    shutil.rmtree(tmp_path / "work")
    for number in range(3):
        homes.drop(tmp_path / "set", f"a/{number}.png", homes.picture("red", number))
    with pytest.raises(DataError, match="none of the pictures of the label b can be read"):
        prepared(tmp_path / "set")


def test_a_picture_on_two_sides_stays_on_one(tmp_path: Path) -> None:
    """And that is told; within one group a copy does no harm."""
    source = trainings.drop(tmp_path / "set", groups=8)
    for group in range(8):  # the same picture in every group
        homes.drop(source, f"red/{group}-copy.png", homes.picture("red", 1000))
    material = prepared(source)
    copies = {i for i, e in enumerate(material.pixels.examples) if "copy" in e.path.name}
    assert [bool(copies & set(part.tolist())) for part in material.parts.all] == [False, False, True]
    assert "kept on one side only" in material.notes[0]
    assert len(material.truth) == 56


def test_a_picture_under_two_labels_teaches_nothing(tmp_path: Path) -> None:
    """It is on no side, and where nothing is left of a label, that is said."""
    source = trainings.drop(tmp_path / "set")
    for label in ("blue", "red"):
        homes.drop(source, f"{label}/0-both.png", homes.picture("green", 1000))
    material = prepared(source)
    used = {material.pixels.examples[i].path.name for part in material.parts.all for i in part}
    assert "0-both.png" not in used
    assert len(used) == 24  # names are the same under both labels
    assert "the same picture under different labels" in material.notes[0]
    (source / "green").symlink_to(source / "red")
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(DataError, match=r"the label green has .* too few for training"):
        prepared(source)


def test_copies_are_told_of_twenty_times(tmp_path: Path) -> None:
    """In names that can be printed, whatever they are on the disk."""
    source = trainings.drop(tmp_path / "set")
    for number in range(25):
        for label in ("blue", "red"):
            homes.drop(source, f"{label}/0-\nboth{number}.png", homes.picture("green", 1000 + number))
    material = prepared(source)
    assert len(material.notes) == 21
    assert "0-%0Aboth" in material.notes[0]
    assert material.notes[-1] == "and 5 more are there twice"


def test_a_sample_keeps_the_shares_of_labels(tmp_path: Path) -> None:
    """The same seed chooses the same; a rare label keeps two."""
    examples = trainings.examples({"a": [str(i) for i in range(80)], "b": [str(i) for i in range(20)], "c": ["1", "2"]})
    chosen = sample(examples, 50, 1)
    assert [sum(e.label == label for e in chosen) for label in "abc"] == [39, 10, 2]
    assert chosen == sample(examples, 50, 1) != sample(examples, 50, 2)
    assert sample(examples, 1000, 1) == tuple(examples)


def test_a_label_of_which_nothing_can_be_read_is_not_dropped(tmp_path: Path) -> None:
    """A model that lacks a label without a word would be wrong about all its pictures."""
    source = trainings.drop(tmp_path / "set", groups=4, each=1, labels=("blue", "green", "red"))
    for path in (source / "green").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the pictures of the label green can be read"):
        prepared(source)
