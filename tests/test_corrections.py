"""What people say of pictures by moving them: it outweighs what the set says, and what judges stays what judges."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import homes
import pytest
import trainings

from watcher.home import Home
from watcher.jobs.corrections import corrected
from watcher.results import Database
from watcher.training.examples import Example, find_examples


class Office:
    """A home with pictures that are learned from, in sub-folders by label; the groups are their paths."""

    def __init__(self, home: Home, database: Database, source: Path) -> None:
        self.home, self.database, self.source = home, database, source
        self.watching = trainings.Watcher()

    def examples(self, group_by: str | None = None) -> tuple[Example, ...]:
        found = find_examples(self.source, group_by)
        return corrected(found, self.home, "tiny", group_by, self.database, self.watching)

    def say(self, label: str, path: Path) -> None:
        """Puts a copy of the picture under what it truly is."""
        homes.drop(self.home.corrections, f"tiny/{label}/{path.name}", path.read_bytes())


@pytest.fixture
def office(tmp_path: Path, tiny_home_models: Path) -> Iterator[Office]:
    home = homes.make(tmp_path / "home", tiny_home_models)
    source = trainings.drop(tmp_path / "set", groups=3, each=2)
    with Database.open(home.settings.database.url, home.root) as database:
        database.migrate()
        yield Office(home, database, source)


def test_without_corrections_nothing_changes(office: Office) -> None:
    """Nor by what others leave in folders."""
    plain = find_examples(office.source)
    assert office.examples() == plain
    homes.drop(office.home.corrections, "tiny/red/Thumbs.db", b"no picture")
    assert office.examples() == plain


def test_a_corrected_picture_is_learned_under_its_true_label_in_the_group_that_it_had(office: Office) -> None:
    """So a group that judges keeps the picture, whatever it is called now; the set's own word for it does not count."""
    victim = office.source / "blue/1-0.png"
    [before] = [example for example in find_examples(office.source) if example.path == victim]
    office.say("red", victim)
    found = office.examples()
    [after] = [example for example in found if example.path.read_bytes() == victim.read_bytes()]
    assert (after.label, after.group) == ("red", before.group)
    assert len(found) == len(find_examples(office.source))


def test_a_new_picture_is_of_the_group_that_its_name_tells(office: Office, tmp_path: Path) -> None:
    """Where it tells none, it is a group of its own, under every label the same."""
    for name, group in (("7-9.png", "7"), ("new.png", "new.png")):
        path = tmp_path / name
        path.write_bytes(homes.picture("blue", len(name) + 90_000))
        office.say("blue", path)
        assert group in {example.group for example in office.examples(r"^\d+")}


def test_of_an_annotated_copy_its_original_is_learned(office: Office) -> None:
    """In the group that the results know; one whose original is gone is left out and noted."""
    for name, seed in (("slide-12/a.png", 91_000), ("slide-12/b.png", 91_001)):
        homes.drop(office.home.inbox, name, homes.picture("red", seed))
    homes.run_once(office.home)
    for copy in sorted((office.home.outbox / "slide-12").iterdir()):
        target = office.home.corrections / "tiny/blue" / copy.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(copy, target)
    (office.home.done / "slide-12/b.png").unlink()
    found = [example for example in office.examples() if example.path.is_relative_to(office.home.root)]
    assert [(example.path, example.label, example.group) for example in found] == [
        (office.home.done / "slide-12/a.png", "blue", "slide-12")
    ]
    [note] = office.watching.notes
    assert "annotated copy whose original is gone" in note and note.endswith("b.png")


def test_a_label_that_the_pictures_do_not_have_is_left_out_and_noted(office: Office) -> None:
    """A slip of the pen must not stop every run."""
    office.say("rde", office.source / "blue/1-0.png")
    assert office.examples() == find_examples(office.source)
    [note] = office.watching.notes
    assert "the pictures have no label rde" in note


def test_links_among_corrections_are_left_out_and_noted(office: Office, tmp_path: Path) -> None:
    """To a picture, to a folder and, instead of the model's folder, to another: whoever may correct reads no other files."""
    plain = find_examples(office.source)
    secret = trainings.drop(tmp_path / "secret", groups=1, each=1)
    said = office.home.corrections / "tiny"
    (said / "red").mkdir(parents=True)
    (said / "red/a.png").symlink_to(secret / "blue/0-0.png")
    (said / "blue").symlink_to(secret / "red")
    assert office.examples() == plain
    said.rename(said.with_name("other"))
    said.symlink_to(secret)
    assert office.examples() == plain
    told = [
        note.removeprefix("left out, for it is a symbolic link; put the picture itself there: ")
        for note in office.watching.notes
    ]
    assert told == [str(said / "blue"), str(said / "red/a.png"), str(said)]


def test_an_original_that_became_a_link_is_gone(office: Office, tmp_path: Path) -> None:
    """Of an annotated copy, what stands in `done` is learned only if it is what Watcher has put there."""
    homes.drop(office.home.inbox, "s/a.png", homes.picture("red", 700))
    homes.run_once(office.home)
    office.say("blue", office.home.outbox / "s/a.png")
    assert len(office.examples()) == len(find_examples(office.source)) + 1
    (office.home.done / "s").rename(tmp_path / "elsewhere")
    (office.home.done / "s").symlink_to(tmp_path / "elsewhere")
    assert office.examples() == find_examples(office.source)
    assert office.watching.notes[-1].startswith("left out, for it is an annotated copy whose original is gone")
