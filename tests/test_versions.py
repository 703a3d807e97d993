"""Which version is current: promoted, rolled back, never damaged, and on record."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_registry import ABOUT, Bytes, install
from versions import NOON, after

from watcher.errors import ModelError, ModelMissing
from watcher.models import history
from watcher.models.history import HISTORY
from watcher.models.package import CARD, MODEL
from watcher.models.registry import CURRENT, Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """With m/1, m/2 and m/3, each of which was current once; whatever happens, no half file is left."""
    registry = Registry(tmp_path / "models")
    for content in (b"one", b"two", b"three"):
        install(registry, content)
    yield registry
    assert not list(registry.root.rglob("*.tmp"))


def live(registry: Registry) -> int:
    return registry.current("m").card.version


def record(registry: Registry) -> list[tuple[int, str]]:
    return [(entry.version, entry.how) for entry in history.read(registry.root / "m" / HISTORY)]


def edit(registry: Registry, version: int) -> None:
    """As a person does it."""
    (registry.root / "m" / CURRENT).write_text(f"{version}\n")


def test_any_version_can_be_made_current(registry: Registry) -> None:
    """It says what was before, and a version that is current already changes nothing."""
    switch = registry.promote("m", 1, NOON)
    assert (switch.package.id, switch.before, switch.changed, live(registry)) == ("m/1", 3, True, 1)
    again = registry.promote("m", 1, NOON)
    assert (again.package.id, again.before, again.changed, live(registry)) == ("m/1", 1, False, 1)
    assert record(registry)[-1] == (1, "promoted")
    assert len(record(registry)) == 4


def test_the_record_says_when_and_how(registry: Registry) -> None:
    """A line for each switch, in UTC, that a person can read."""
    registry.promote("m", 2, after(5))
    registry.rollback("m", after(6))
    lines = (registry.root / "m" / HISTORY).read_text().splitlines()
    assert lines[2:] == [
        "2026-05-04T03:02:01+00:00 3 installed",
        "2025-11-23T12:05:00+00:00 2 promoted",
        "2025-11-23T12:06:00+00:00 3 rolled-back",
    ]


def test_a_rollback_undoes_one_switch_after_the_other(registry: Registry) -> None:
    """Never to what was just rejected; at the beginning it says what can be done."""
    registry.promote("m", 1, NOON)
    assert [registry.rollback("m", NOON).package.card.version for _ in range(3)] == [3, 2, 1]
    with pytest.raises(ModelError, match=r"before m/1: choose one of 2, 3 with `watcher models promote m VERSION`"):
        registry.rollback("m", NOON)
    assert live(registry) == 1


def test_a_new_version_after_a_rollback_leads_back_to_where_it_came_from(registry: Registry) -> None:
    """What was rejected is not come back to."""
    registry.rollback("m", NOON)
    assert install(registry) == 4
    assert registry.rollback("m", NOON).package.id == "m/2"


def test_current_edited_by_hand_is_believed(registry: Registry) -> None:
    """To go back by hand is a rollback; to another version a switch like any; both are noted with the next."""
    edit(registry, 2)
    assert registry.rollback("m", NOON).package.id == "m/1"
    assert record(registry)[-2:] == [(2, "found"), (1, "rolled-back")]
    edit(registry, 3)
    assert registry.rollback("m", NOON).package.id == "m/1"
    assert record(registry)[-2:] == [(3, "found"), (1, "rolled-back")]


def test_without_a_record_the_versions_are_named(registry: Registry) -> None:
    """As in a home of before there were records; the first switch begins one."""
    (registry.root / "m" / HISTORY).unlink()
    with pytest.raises(ModelError, match="nothing is known to have been current before m/3"):
        registry.rollback("m", NOON)
    registry.promote("m", 1, NOON)
    assert record(registry) == [(3, "found"), (1, "promoted")]
    assert registry.rollback("m", NOON).package.id == "m/3"


def test_the_only_version_there_is_has_nothing_to_go_back_to(registry: Registry) -> None:
    """And is not told to be chosen instead of itself."""
    for version in (1, 2):
        shutil.rmtree(registry.root / "m" / str(version))
    with pytest.raises(
        ModelError, match=r"^m/3 is the only version here, with nothing to go back to: train another with"
    ):
        registry.rollback("m", NOON)


def test_lines_that_are_no_record_are_passed_over(registry: Registry) -> None:
    """Half a line, left by a power cut, spoils neither itself nor the next."""
    path = registry.root / "m" / HISTORY
    path.write_bytes(path.read_bytes() + b"# note\n2026-13-01 1 promoted\n2026-01-01 1 lost\n\xff\n2026-11-2")
    registry.promote("m", 1, NOON)
    assert record(registry) == [(1, "installed"), (2, "installed"), (3, "installed"), (1, "promoted")]


def test_a_record_that_cannot_be_written_holds_up_nothing(registry: Registry) -> None:
    """`current` is what counts."""
    (registry.root / "m" / HISTORY).unlink()
    (registry.root / "m" / HISTORY).mkdir()
    assert registry.promote("m", 1, NOON).package.id == "m/1"
    assert live(registry) == 1


def test_versions_that_were_removed_are_passed_over(registry: Registry) -> None:
    """And their numbers are not given again, for the results speak of them."""
    registry.promote("m", 1, NOON)
    for version in (2, 3):
        shutil.rmtree(registry.root / "m" / str(version))
    with pytest.raises(ModelError, match="m/1 is the only version here"):
        registry.rollback("m", NOON)
    assert install(registry) == 4


@pytest.mark.parametrize("way", ["promote", "rollback"])
@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (MODEL, b"other", "m/2: .*/model.keras was changed since it was stored"),
        (MODEL, None, "m/2: .*/model.keras cannot be read: No such file"),
        (CARD, b"{", "model.json: not a model's card"),
        (CARD, None, "model.json: cannot be read: No such file"),
    ],
)
def test_a_damaged_version_does_not_become_current(
    registry: Registry, way: str, file: str, content: bytes | None, said: str
) -> None:
    """The reason is one line, and what was current stays so."""
    path = registry.root / "m" / "2" / file
    path.write_bytes(content) if content is not None else path.unlink()
    before = record(registry)
    with pytest.raises(ModelError, match=said) as fault:
        registry.promote("m", 2, NOON) if way == "promote" else registry.rollback("m", NOON)
    assert "\n" not in str(fault.value)
    assert (live(registry), record(registry)) == (3, before)


def test_what_is_not_there_cannot_become_current(registry: Registry) -> None:
    """It says which versions there are, or how to bring the model; nothing is made."""
    with pytest.raises(ModelMissing, match="there is no version 7 of m: it has 1, 2, 3"):
        registry.promote("m", 7, NOON)
    for ask in (lambda: registry.promote("absent", 1, NOON), lambda: registry.rollback("absent", NOON)):
        with pytest.raises(ModelMissing, match="bring one with `watcher models import absent PATH`"):
            ask()
    assert not (registry.root / "absent").exists()
    (registry.root / "empty").mkdir()
    with pytest.raises(ModelMissing, match="there is no model empty"):
        registry.promote("empty", 1, NOON)


def test_a_pointer_that_cannot_be_read_is_mended_by_a_promotion(registry: Registry) -> None:
    """A rollback from it is refused, for nobody knows from where."""
    (registry.root / "m" / CURRENT).write_text("two")
    with pytest.raises(ModelError, match="should hold a version's number"):
        registry.rollback("m", NOON)
    switch = registry.promote("m", 2, NOON)
    assert (switch.before, switch.changed, live(registry)) == (None, True, 2)


def test_a_candidate_waits_until_it_is_promoted(tmp_path: Path) -> None:
    """Unless there is nothing that it could stand behind."""
    registry = Registry(tmp_path)
    for content in (b"first", b"second"):
        registry.install("m", Bytes(content), ABOUT, NOON, promote=False)
    assert (registry.versions("m"), live(registry), record(registry)) == ([1, 2], 1, [(1, "installed")])
    assert registry.promote("m", 2, NOON).before == 1


def test_switches_at_the_same_time_take_turns(registry: Registry) -> None:
    """Each is on record, and the last of them is what is current."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: registry.promote("m", n % 3 + 1, NOON), range(24)))
    versions = [version for version, _ in record(registry)]
    assert versions[-1] == live(registry)
    assert all(before != after for before, after in itertools.pairwise(versions))


def test_a_mark_changes_with_the_current_version_and_its_files(registry: Registry) -> None:
    """And with nothing else, so that a look at it is enough."""
    marks = [registry.mark("m")]
    install_other = registry.install("m", Bytes(b"four"), ABOUT, NOON, promote=False)
    assert registry.mark("m") == marks[0]
    registry.promote("m", install_other.card.version, NOON)
    marks.append(registry.mark("m"))
    (install_other.folder / MODEL).unlink()
    marks.append(registry.mark("m"))
    (registry.root / "m" / CURRENT).unlink()
    marks.append(registry.mark("m"))
    assert len(set(marks)) == 4
