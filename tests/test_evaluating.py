"""A model tried on labelled pictures: whose labels match, what cannot be read, what to be wary of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import homes
import numpy as np
import pytest

from watcher.errors import DataError, UsageError
from watcher.training.caveats import caveats
from watcher.training.evaluating import evaluate, positive_label
from watcher.training.examples import data_digest, find_examples
from watcher.training.known_labels import match_labels
from watcher.vision.outcome import Picture

if TYPE_CHECKING:
    from watcher.models.package import Package
    from watcher.vision.vision import Vision


def folder(root: Path, *places: str, start: int = 0) -> Path:
    """Pictures `label/…/name`, each of the colour that its file's name begins with, no two alike."""
    for seed, place in enumerate(places):
        homes.drop(root, place, homes.picture(Path(place).name.split("-")[0], start + seed))
    return root


def test_every_picture_gets_all_its_scores(tiny_vision: Vision, tmp_path: Path) -> None:
    """In the order of the examples, whatever the batches; the same scores as one by one."""
    places = [f"{label}/g{n % 3}/{label}-{n}.png" for label in ("red", "green", "blue") for n in range(7)]
    examples = find_examples(folder(tmp_path, *places))
    heard: list[int] = []
    found = evaluate(tiny_vision, examples, 4, done=heard.append)
    assert found.scored.right.all()
    assert found.scored.paths == tuple(example.path for example in examples)
    assert found.scored.groups == tuple(example.group for example in examples)
    assert found.scored.labels == ("red", "green", "blue")
    assert found.scored.positive is None
    assert sum(heard) == 21
    for path, row in zip(found.scored.paths, found.scored.scores, strict=True):
        picture = tiny_vision.decode(path.read_bytes())
        assert isinstance(picture, Picture)
        assert tiny_vision.scores([picture.pixels])[0] == pytest.approx(row, abs=1e-5)


def test_scores_and_labels_are_one_thing(tiny_vision: Vision) -> None:
    """Classifying names the labels of the scores; no pictures have no scores."""
    pixels = list(np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), np.uint8))
    for row, outcome in zip(tiny_vision.scores(pixels), tiny_vision.classify(pixels), strict=True):
        assert outcome.predictions[0] == (tiny_vision.package.card.labels[row.argmax()], pytest.approx(row.max()))
        assert row.sum() == pytest.approx(1)
    assert tiny_vision.scores([]).shape == (0, 3)


def test_what_cannot_be_read_is_listed(tiny_vision: Vision, tmp_path: Path) -> None:
    """And is no fault of the others."""
    folder(tmp_path, "red/red-1.png", "blue/blue-1.png")
    (tmp_path / "red/b.png").write_bytes(b"just text")
    (tmp_path / "red/gone.png").symlink_to(tmp_path / "nowhere")
    found = evaluate(tiny_vision, find_examples(tmp_path), 8)
    assert [path.name for path in found.scored.paths] == ["blue-1.png", "red-1.png"]
    assert [(one.path.name, one.reason[:20]) for one in found.unreadable] == [
        ("b.png", "it is text, not a pi"),
        ("gone.png", "it cannot be read: N"),
    ]
    notes = caveats(found, tiny_vision.package.card)
    assert "2 pictures could not be read and were left out." in notes
    assert any(note.endswith("it cannot be read: No such file or directory") for note in notes)


def test_many_unreadable_pictures_are_not_all_told(tiny_vision: Vision, tmp_path: Path) -> None:
    """Twenty reasons are enough."""
    folder(tmp_path, "red/red-1.png")
    for number in range(23):
        (tmp_path / f"red/{number}.png").touch()
    notes = caveats(evaluate(tiny_vision, find_examples(tmp_path), 8), tiny_vision.package.card)
    assert "And 3 more that could not be read." in notes


def test_without_a_readable_picture_there_is_nothing_to_measure(tiny_vision: Vision, tmp_path: Path) -> None:
    """The first reason tells what is wrong with them."""
    (tmp_path / "red").mkdir()
    (tmp_path / "red/a.png").write_bytes(b"just text")
    with pytest.raises(DataError, match=r"none of the 1 pictures can be read; .*a\.png: it is text"):
        evaluate(tiny_vision, find_examples(tmp_path), 8)


def test_folders_that_match_no_label_are_left_out(tiny_vision: Vision, tmp_path: Path) -> None:
    """And named, as are labels that have no pictures."""
    folder(tmp_path, "red/red-1.png", "green/green-1.png", "mauve/red-2.png")
    found = evaluate(tiny_vision, find_examples(tmp_path), 8)
    assert len(found.scored) == 2
    assert found.matched.notes() == [
        "Left out, for the model has no such label: mauve.",
        "Labels of the model that have no pictures here: blue.",
    ]


def test_if_no_folder_matches_both_lists_are_told(tiny_vision: Vision, tmp_path: Path) -> None:
    """So that one can see how the folders must be called."""
    folder(tmp_path, *(f"hue {number}/red-{number}.png" for number in range(12)))
    with pytest.raises(DataError, match=r"they are hue 0, hue 1, .* and 2 more, and it knows red, green, blue; rename"):
        evaluate(tiny_vision, find_examples(tmp_path), 8)


def test_labels_are_found_by_words_and_by_wordnet_id(tiny_package: Package, tmp_path: Path) -> None:
    """As people and ImageNet name folders; two labels of the same words are told apart by their exact names."""
    card = tiny_package.card.model_copy(
        update={"labels": ("red fox", "Crane", "crane"), "wordnet_ids": ("n02119022", "n03126707", "n02012849")}
    )
    places = ("Red_Fox/red-1.png", "n02012849/red-2.png", "Crane/red-3.png", "CRANE/red-4.png")
    matched = match_labels(find_examples(folder(tmp_path, *places)), card)
    assert {example.label: place for example, place in matched.examples} == {"Red_Fox": 0, "n02012849": 2, "Crane": 1}
    assert matched.unknown == ("CRANE",)
    assert matched.absent == ()


def test_the_positive_label_is_asked_for_or_on_the_card_or_the_last(tiny_package: Package) -> None:
    """Of two labels; of more there is none, and asking for one is a mistake."""
    two = tiny_package.card.model_copy(update={"labels": ("well", "ill")})
    assert positive_label(two) == "well"
    assert positive_label(two.model_copy(update={"positive_label": "ill"})) == "ill"
    assert positive_label(two, "ill") == "ill"
    with pytest.raises(UsageError, match="tiny knows no label sick: it knows well, ill"):
        positive_label(two, "sick")
    assert positive_label(tiny_package.card) is None
    with pytest.raises(UsageError, match="tiny tells 3 labels apart"):
        positive_label(tiny_package.card, "red")


def test_copies_are_told(tiny_vision: Vision, tmp_path: Path) -> None:
    """The same picture under two labels cannot be right twice."""
    folder(tmp_path, "red/red-1.png", "blue/blue-1.png", "green/green-1.png", "green/green-2.png")
    homes.drop(tmp_path, "red/copy.png", (tmp_path / "red/red-1.png").read_bytes())
    once = caveats(evaluate(tiny_vision, find_examples(tmp_path), 8), tiny_vision.package.card)
    assert "1 picture is an exact copy of another here, and counted." in once
    homes.drop(tmp_path, "blue/torn.png", (tmp_path / "red/red-1.png").read_bytes())
    notes = caveats(evaluate(tiny_vision, find_examples(tmp_path), 8), tiny_vision.package.card)
    assert "2 pictures are exact copies of others here, and counted." in notes
    assert "The same picture stands under several labels: blue (torn.png), red (copy.png)." in notes


def test_pictures_that_it_was_trained_on_prove_nothing(tiny_vision: Vision, tmp_path: Path) -> None:
    """The card knows the digest of what was learned from, whatever the files are called now."""
    found = evaluate(tiny_vision, find_examples(folder(tmp_path, "red/g/red-1.png", "blue/g/blue-1.png")), 8)
    digest = data_digest(found.examples, found.contents)
    card = tiny_vision.package.card
    past = {"data_digest": digest, "pictures": 2, "groups": 1, "seed": 0, "settings": {}}
    trained = type(card).model_validate(card.model_dump() | {"trained_on": past})
    assert "was trained on exactly these" in caveats(found, trained)[-1]
    assert "if the model has seen none of these groups" in caveats(found, card)[-1]
    (tmp_path / "red/g/red-1.png").rename(tmp_path / "red/g/other.png")
    again = evaluate(tiny_vision, find_examples(tmp_path), 8)
    assert data_digest(again.examples, again.contents) == digest
