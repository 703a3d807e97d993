"""When a picture counts as whole: a quiet period by our own clock, whatever the file's times say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.intake.arrivals import Fingerprint, Gone, Seen
from watcher.intake.settle import Settler


def seen(path: str = "a.jpg", *, size: int = 100, inode: int = 1, mtime: int = 0) -> Seen:
    return Seen(path, Fingerprint(8, inode, size, mtime))


class Files(dict):
    """What stands under which path; as a function, the look that the settler takes."""

    def put(self, *pictures: Seen) -> None:
        self.update({picture.path: picture for picture in pictures})

    def __call__(self, path: str) -> Seen | None:
        return self.get(path)


@pytest.fixture
def files() -> Files:
    return Files()


def test_a_picture_is_whole_after_its_quiet_period(files: Files) -> None:
    """Two looks that find it unchanged, the quiet period apart, and not a moment sooner."""
    settler = Settler(2.0)
    files.put(seen())
    settler.saw(seen(), 10.0)
    assert settler.next_due == 12.0
    assert list(settler.settled(11.9, files)) == []
    assert len(settler) == 1
    assert list(settler.settled(12.0, files)) == [seen()]
    assert len(settler) == 0
    assert list(settler.settled(99.0, files)) == []


def test_a_settler_without_a_quiet_period_hands_on_at_once(files: Files) -> None:
    """With `settle_seconds = 0`, one more look in the same moment is enough."""
    settler = Settler(0.0)
    files.put(seen())
    settler.saw(seen(), 10.0)
    assert list(settler.settled(10.0, files)) == [seen()]


@pytest.mark.parametrize("change", [{"size": 101}, {"inode": 2}, {"mtime": 1}])
def test_any_change_found_by_the_second_look_restarts_the_wait(files: Files, change: dict[str, int]) -> None:
    """A growing, rewritten or replaced file waits anew, from the moment that the change was found."""
    settler = Settler(2.0)
    settler.saw(seen(), 0.0)
    files.put(seen(**change))
    assert list(settler.settled(5.0, files)) == []
    assert settler.next_due == 7.0
    assert list(settler.settled(6.9, files)) == []
    assert list(settler.settled(7.0, files)) == [seen(**change)]


def test_a_growing_file_is_not_handed_on_before_it_rests(files: Files) -> None:
    """A copy slower than the quiet period waits for as long as it grows, whether events tell of it or not."""
    settler = Settler(2.0)
    for second in range(20):
        files.put(seen(size=second))
        if second % 3 == 0:
            settler.saw(seen(size=second), second)
        assert list(settler.settled(second, files)) == []
    assert list(settler.settled(25, files)) == []  # the last write was not seen yet
    assert list(settler.settled(27, files)) == [seen(size=19)]


def test_seeing_an_unchanged_picture_again_does_not_prolong_its_wait(files: Files) -> None:
    """Scans and events that keep finding the same keep nothing waiting."""
    settler = Settler(2.0)
    files.put(seen())
    for tenth in range(20):
        settler.saw(seen(), tenth / 10)
    assert list(settler.settled(2.0, files)) == [seen()]


def test_a_picture_that_is_gone_is_said_to_be(files: Files) -> None:
    """What waited and is not there any more comes back as gone, once, with what it was."""
    settler = Settler(2.0)
    settler.saw(seen(), 0.0)
    assert list(settler.settled(2.0, files)) == [Gone("a.jpg", seen().fingerprint)]
    assert list(settler.settled(9.0, files)) == []
    assert len(settler) == 0


def test_outdated_reminders_are_of_no_effect(files: Files) -> None:
    """A wait that was restarted, or that ended, is not ended again by its earlier dates."""
    settler = Settler(2.0)
    for moment, size in ((0.0, 1), (0.5, 2), (1.0, 3), (1.0, 4), (1.0, 3)):
        settler.saw(seen(size=size), moment)
    files.put(seen(size=3))
    assert list(settler.settled(2.9, files)) == []
    assert list(settler.settled(3.0, files)) == [seen(size=3)]
    settler.saw(seen(size=3), 3.5)
    assert list(settler.settled(5.4, files)) == []
    assert list(settler.settled(5.5, files)) == [seen(size=3)]
    assert settler.next_due == math.inf


def test_the_same_name_may_come_again(files: Files) -> None:
    """A name that was handed on starts afresh when it is seen once more."""
    settler = Settler(2.0)
    files.put(seen())
    settler.saw(seen(), 0.0)
    assert list(settler.settled(2.0, files)) == [seen()]
    settler.saw(seen(), 2.0)
    assert list(settler.settled(3.9, files)) == []
    assert list(settler.settled(4.0, files)) == [seen()]


def test_the_settler_says_when_its_room_is_used_up(files: Files) -> None:
    """Memory is bounded: the caller is told to stop, and to go on once pictures were handed on."""
    settler = Settler(2.0, room=3)
    pictures = [seen(f"{number}.jpg", inode=number) for number in range(3)]
    files.put(*pictures)
    for picture in pictures:
        assert not settler.full
        settler.saw(picture, 0.0)
    assert settler.full
    assert next(settler.settled(2.0, files)) == pictures[0]
    assert not settler.full


def test_what_an_abandoned_caller_did_not_take_is_still_there(files: Files) -> None:
    """Whoever stops asking in the middle gets the rest the next time, and nothing twice."""
    settler = Settler(2.0)
    pictures = {seen(f"{number}.jpg", inode=number) for number in range(10)}
    files.put(*pictures)
    for picture in pictures:
        settler.saw(picture, 0.0)
    taken = []
    while len(settler):
        for item in settler.settled(2.0, files):
            taken.append(item)
            if len(taken) % 3 == 0:
                break
    assert len(taken) == 10
    assert set(taken) == pictures


def test_a_look_that_the_world_does_not_allow_is_taken_again(files: Files) -> None:
    """A share that fails in the middle of a look loses no picture: the next look finds it still due."""
    settler = Settler(2.0)
    files.put(seen(), seen("b.jpg", inode=2))
    settler.saw(seen(), 0.0)
    settler.saw(seen("b.jpg", inode=2), 0.0)

    def broken(path: str) -> Seen | None:
        raise OSError(5, "Input/output error")

    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            list(settler.settled(2.0, broken))
    assert settler.next_due == 2.0
    assert list(settler.settled(2.0, files)) == [seen(), seen("b.jpg", inode=2)]


def test_a_picture_in_a_folder_closed_meanwhile_does_not_keep_the_others_waiting(files: Files) -> None:
    """It is forgotten, neither whole nor gone; seen again, it waits like any other."""
    settler = Settler(2.0)
    files.put(seen(), seen("shut/b.jpg", inode=2))
    settler.saw(seen("shut/b.jpg", inode=2), 0.0)
    settler.saw(seen(), 1.0)

    def look(path: str) -> Seen | None:
        if path.startswith("shut"):
            raise PermissionError(13, "Permission denied")
        return files(path)

    assert list(settler.settled(3.0, look)) == [seen()]
    settler.saw(seen("shut/b.jpg", inode=2), 4.0)
    assert list(settler.settled(6.0, files)) == [seen("shut/b.jpg", inode=2)]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "remove", "see", "wait", "take"])), max_size=60
    ),
)
def test_nothing_is_handed_on_that_changed_within_the_quiet_period(steps: list[tuple[str, str]]) -> None:
    """In any history, what is handed on was looked at a quiet period before, and all that was seen has an end."""
    files, settler, first_look, now = Files(), Settler(2.0), {}, 0.0

    def look(path: str) -> Seen | None:
        if (found := files.get(path)) is not None:
            first_look.setdefault(found, now)
        return found

    def take() -> None:
        for item in settler.settled(now, look):
            if isinstance(item, Gone):
                assert item.path not in files
            else:
                assert files[item.path] == item
                assert first_look[item] <= now - 2.0

    for size, (name, step) in enumerate(steps):
        now += 0.5
        if step == "write":
            files.put(seen(name, size=size))
        elif step == "remove":
            files.pop(name, None)
        elif step == "see" and (found := look(name)):
            settler.saw(found, now)
        elif step == "take":
            take()
    for _ in range(2):  # one that changed since its first look needs a third
        now += 2.0
        take()
    assert len(settler) == 0
