"""What strace writes, understood: which call, about what, the how-manieth of its thread."""

from __future__ import annotations

import pytest
from tracing import Event, events

HERE = "/srv/home"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('7 openat(AT_FDCWD</x>, "/srv/home/a", O_WRONLY|O_CREAT, 0666) = 3</srv/home/a>', ("openat", b"/srv/home/a", True)),
        ('7 openat(AT_FDCWD</x>, "/srv/home/a", O_RDONLY) = 3</srv/home/a>', ("openat", b"/srv/home/a", False)),
        ('7 openat(3</srv/home/in>, "a.png", O_WRONLY|O_CREAT, 0666) = 4', ("openat", b"a.png", True)),
        ('7 write(3</srv/home/a>, "/"..., 10) = 10', ("write", b"/srv/home/a", True)),
        ("7 fsync(3</srv/home/a> <unfinished ...>", ("fsync", b"/srv/home/a", True)),
        ('7 rename("/srv/home/a", "/srv/home/b") = 0', ("rename", b"/srv/home/a", True)),
        (
            '7 renameat2(AT_FDCWD</x>, "/srv/home/a", AT_FDCWD</x>, "/srv/home/b", RENAME_NOREPLACE) = 0',
            ("renameat2", b"/srv/home/b", True),
        ),
        (r'7 unlink("/srv/home/t\351 \"1\"%\n.png") = 0', ("unlink", b'/srv/home/t\xe9 "1"%\n.png', True)),
    ],
)  # fmt: skip
def test_a_call_is_known_by_what_strace_can_look_out_for(line: str, event: tuple[str, bytes, bool]) -> None:
    """Names that Python and strace write in other ways included."""
    call, name, changes = event
    assert events(line.encode(), HERE) == [Event(call, name, 1, changes)]


@pytest.mark.parametrize(
    "line",
    [
        '7 write(1</dev/null>, "/srv/home/a"..., 10) = 10',
        '7 unlink("/srv/elsewhere") = 0',
        "7 <... fsync resumed>) = 0",
        "7 +++ exited with 0 +++",
    ],
)
def test_what_is_about_something_else_is_passed_over(line: str) -> None:
    """As are the ends of calls whose beginnings were seen."""
    assert events(line.encode(), HERE) == []


def test_calls_are_counted_as_strace_counts_them() -> None:
    """For each thread by itself, by the name of the call and of what it is about."""
    trace = b"""1 write(3</srv/home/a>, "x"..., 1) = 1
2 write(3</srv/home/a>, "x"..., 1) = 1
1 write(3</srv/home/b>, "x"..., 1) = 1
1 fsync(3</srv/home/a>) = 0
1 write(3</srv/home/a>, "x"..., 1) = 1
"""
    assert [event.number for event in events(trace, HERE)] == [1, 1, 1, 1, 2]
