"""`classify`: pictures from anywhere, now, and their annotated copies."""

from __future__ import annotations

import os
from pathlib import Path

import homes
import pytest

from watcher.service.classify import Target, classify, targets
from watcher.vision.encode import read_caption
from watcher.vision.outcome import Classified, Failed
from watcher.vision.vision import Vision


def labels(paths: list[Path], vision: Vision, batch_size: int = 8, annotate: Path | None = None) -> list[str]:
    """The best label of each picture, or why there is none."""
    return [
        result.outcome.predictions[0][0] if isinstance(result.outcome, Classified) else result.outcome.reason
        for result in classify(targets(paths), vision, batch_size, annotate)
    ]


def paint(path: Path, label: str, seed: int = 0, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(homes.picture(label, seed, form))
    return path


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_each_picture_has_a_result_in_order(tmp_path: Path, tiny_vision: Vision, batch_size: int) -> None:
    """However they fall into batches, and whatever some of them suffer from."""
    kinds = ["red", "green", "blue", "bad"] * 6
    paths = [tmp_path / f"{number}.png" for number in range(len(kinds))]
    for number, (path, kind) in enumerate(zip(paths, kinds, strict=True)):
        path.write_bytes(b"" if kind == "bad" else homes.picture(kind, number))
    found = list(classify(targets(paths), tiny_vision, batch_size))
    assert [result.path for result in found] == paths
    assert [
        result.outcome.predictions[0][0] if isinstance(result.outcome, Classified) else "bad" for result in found
    ] == kinds


def test_a_folder_stands_for_its_pictures(tmp_path: Path, tiny_vision: Vision) -> None:
    """All below it, sorted, without what is half-written, hidden or no picture."""
    for name in ("b.png", "a/c.png", "a.png", ".hidden.png", "x.png.part"):
        paint(tmp_path / name, "red")
    (tmp_path / "notes.txt").touch()
    assert [target.name for target in targets([tmp_path])] == ["a.png", "a/c.png", "b.png"]
    assert labels([tmp_path], tiny_vision) == ["red"] * 3


def test_what_is_given_by_name_is_tried_whatever_its_name(tmp_path: Path, tiny_vision: Vision) -> None:
    """A person who names a file means it, links included."""
    plain = paint(tmp_path / "no-ending", "blue")
    link = tmp_path / "link"
    link.symlink_to(plain)
    assert labels([plain, link], tiny_vision) == ["blue", "blue"]


def test_what_cannot_be_read_says_why(tmp_path: Path, tiny_vision: Vision) -> None:
    """No pipe is waited for, and no device read."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    found = list(
        classify([Target(tmp_path / name, name) for name in ("pipe.png", "gone.png", "none.png")], tiny_vision, 8)
    )
    assert [result.outcome for result in found] == [
        Failed("it is not a regular file"),
        Failed("it is not a regular file"),
        Failed("there is no such file"),
    ]


def test_scores_do_not_depend_on_the_batch(tmp_path: Path, tiny_vision: Vision) -> None:
    """A picture alone and among others: the same to 1e-4."""
    paths = [paint(tmp_path / f"{seed}.png", ("red", "green", "blue")[seed % 3], seed) for seed in range(20)]
    alone = [next(classify(targets([path]), tiny_vision, 1)).outcome for path in paths]
    together = [result.outcome for result in classify(targets(paths), tiny_vision, 8)]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, Classified) and isinstance(other, Classified)
        assert dict(one.predictions) == pytest.approx(dict(other.predictions), abs=1e-4)


def test_annotated_copies_lie_as_their_pictures_did(tmp_path: Path, tiny_vision: Vision) -> None:
    """In the same sub-folders; a file given by name stands at the top; what could not be read has none."""
    paint(tmp_path / "in/s/a.png", "red")
    (tmp_path / "in/bad.png").write_bytes(b"")
    one = paint(tmp_path / "else/b.jpg", "blue", form="JPEG")
    labels([tmp_path / "in", one], tiny_vision, annotate=tmp_path / "out")
    assert homes.paths(tmp_path / "out") == {"s/a.png", "b.jpg"}
    caption = read_caption(tmp_path / "out/s/a.png")
    assert caption and (caption.label, caption.model) == ("red", "tiny")


def test_pictures_of_one_name_have_a_copy_each(tmp_path: Path, tiny_vision: Vision) -> None:
    """From two folders, or of two formats that both become JPEG."""
    paths = [
        paint(tmp_path / "1/a.jpg", "red", form="JPEG"),
        paint(tmp_path / "2/a.jpg", "green", form="JPEG"),
        paint(tmp_path / "2/a.bmp", "blue", form="BMP"),
    ]
    labels(paths, tiny_vision, annotate=tmp_path / "out")
    copies = homes.paths(tmp_path / "out")
    assert copies == {"a.jpg", "a~2.jpg", "a~3.jpg"}
    captions = [read_caption(tmp_path / "out" / name) for name in copies]
    assert {caption.label for caption in captions if caption} == {"red", "green", "blue"}


def test_a_copy_of_an_earlier_run_is_replaced(tmp_path: Path, tiny_vision: Vision) -> None:
    """To run the same command again does not fill the folder."""
    path = paint(tmp_path / "a.png", "red")
    labels([path], tiny_vision, annotate=tmp_path / "out")
    paint(path, "blue")
    labels([path], tiny_vision, annotate=tmp_path / "out")
    assert homes.paths(tmp_path / "out") == {"a.png"}
    caption = read_caption(tmp_path / "out/a.png")
    assert caption and caption.label == "blue"


def test_annotating_into_the_pictures_own_folder_spares_them(tmp_path: Path, tiny_vision: Vision) -> None:
    """Nothing but an annotated copy is ever replaced, through a link neither."""
    path = paint(tmp_path / "a.png", "red")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").symlink_to(path)
    before = path.read_bytes()
    labels([path], tiny_vision, annotate=tmp_path)
    labels([path], tiny_vision, annotate=tmp_path / "out")
    assert path.read_bytes() == before
    assert homes.paths(tmp_path) == {"a.png", "a~2.png", "out/a.png", "out/a~2.png"}


def test_names_that_are_no_text_get_clean_copies(tmp_path: Path, tiny_vision: Vision) -> None:
    """As in the daemon's outbox."""
    path = paint(tmp_path / os.fsdecode(b"in/caf\xe9\n.png"), "red")
    labels([path.parent], tiny_vision, annotate=tmp_path / "out")
    assert homes.paths(tmp_path / "out") == {"caf%E9%0A.png"}
