"""Faults of the settings file: all of them at once, each with its line, in words that help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.errors import SettingsError
from watcher.settings import Settings, commented, load

MODEL_NAME = "a model's name: at most 64 lower-case letters, digits, '.', '_' and '-'"
ROUTE_NAME = "a folder's name: without slashes, not empty, and no dot at its beginning"


def faults(folder: Path, text: str | bytes) -> list[str]:
    """What is wrong, as LINE: SENTENCE."""
    path = folder / "watcher.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as fault:
        load(path)
    found = str(fault.value).split("\n")
    assert found == list(fault.value.faults)
    assert all(line.startswith(f"{path}:") for line in found)
    return [line.removeprefix(f"{path}:") for line in found]


def test_every_fault_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    """Unknown keys, wrong types, values out of range, bad names and misplaced folders, in the order of the file."""
    text = """# mine
[folders]
inbox = "in"
outbox = "in/out"

[intake]
wach = "scan"
settle_seconds = "2"
originals = "burn"

[models.routes]
blood = "Blut!"

[inference]
batch_size = 0

[metrix]
listen = ""
"""
    assert faults(tmp_path, text) == [
        f"4: folders.outbox lies inside folders.inbox, {tmp_path / 'in'}: move it out of there",
        "7: intake.wach: there is no such setting; did you mean `watch`?",
        '8: intake.settle_seconds: should be a valid number, not "2"',
        "9: intake.originals: should be 'move', 'keep' or 'delete', not \"burn\"",
        f'12: models.routes.blood: should be {MODEL_NAME}, not "Blut!"',
        "15: inference.batch_size: should be greater than or equal to 1, not 0",
        "17: metrix: there is no such setting; did you mean `metrics`?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("intake.originals = 1", "1: intake.originals: should be 'move', 'keep' or 'delete', not 1"),
        ("\nintake = { originals = 1 }", "2: intake.originals: should be 'move', 'keep' or 'delete', not 1"),
        ("intake = { }\n\nfolders = 3", "3: folders: should be a table, not 3"),
        ("[models]\nroutes = 'x'", '2: models.routes: should be a table, not "x"'),
        ("[[intake]]", "1: intake: should be a table, not [{}]"),
        ("[folders]\ninbox = ''", '2: folders.inbox: should be a text that is not empty, not ""'),
        ('[folders]\ninbox = "a\\u0000"', '2: folders.inbox: should be a folder\'s name, not "a\\u0000"'),
        (
            "[annotate]\nheatmap = 1",
            '2: annotate.heatmap: should be true, false or a list of routes, like ["malaria"], not 1',
        ),
        (
            '[annotate]\nheatmap = ["a/b"]',
            '2: annotate.heatmap: should be true, false or a list of routes, like ["malaria"], not ["a/b"]',
        ),
        ('[annotate]\nheatmap = ["cells"]', '2: annotate.heatmap: "cells" is no route of [models.routes]'),
        ("[inference]\nbatch_size = true", "2: inference.batch_size: should be a valid integer, not true"),
        ("[inference]\nbatch_size = 1.5", "2: inference.batch_size: should be a valid integer, not 1.5"),
        ("[intake]\nmax_megapixels = inf", "2: intake.max_megapixels: should be a finite number, not Infinity"),
        ("[intake]\nsettle_seconds = nan", "2: intake.settle_seconds: should be a finite number, not NaN"),
        ("[intake]\nsettle_seconds = -1", "2: intake.settle_seconds: should be greater than or equal to 0, not -1"),
        ("[intake]\nwatch = 2024-01-01", "2: intake.watch: should be 'auto', 'events' or 'scan', not \"2024-01-01\""),
        (
            '[models.routes]\n"a/b" = "m"',
            f'2: models.routes."a/b": should be {ROUTE_NAME}, not "a/b"',
        ),
        ('"in\\ntake" = 1', '1: "in\\ntake": there is no such setting; did you mean `intake`?'),
        ('["\\u0069ntake"]\nx = 1', "2: intake.x: there is no such setting"),
        ("x = '''\n\"\\q\" = 1\n'''", "1: x: there is no such setting"),
        ("# \u2028 \x85 \n[intake]\nx = 1", "3: intake.x: there is no such setting"),
    ],
)
def test_a_fault_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Whatever way it is written: the key, what it should be, what it is."""
    assert faults(tmp_path, text) == [said]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[intake", 1),
        ("[intake]\nwatch auto", 2),
        ("[intake]\nwatch = auto", 2),
        ('[intake]\nwatch = "auto', 2),
        ("[intake]\nwatch = 1\nwatch = 2", 3),
        ("[intake]\n\n[intake]\n", 3),
        ('["at line x,"]\n["at line x,"]\n', 2),
        ("a = [\n1,\n", 2),
        (b"\n\n# caf\xe9\n", 3),
        (b"\xff\xfe[\0i\0]\0", 1),
        ("x = " + "9" * 5000, 1),
        ("x = " + "[" * 5000, 1),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(tmp_path: Path, text: str | bytes, line: int) -> None:
    """Syntax errors, keys given twice, another encoding, and what is too much for any reader."""
    (said,) = faults(tmp_path, text)
    assert re.match(rf"{line}: not (TOML: \S|UTF-8 text; save the file as UTF-8)", said)


def test_a_long_value_is_not_repeated_whole(tmp_path: Path) -> None:
    """A message stays a line that can be read; a number too long to be written out does too."""
    (said,) = faults(tmp_path, f"[intake]\nwatch = '{'x' * 5000}'")
    assert len(said) < 200
    (said,) = faults(tmp_path, f"[inference]\nbatch_size = 0x{'f' * 5000}")
    assert said.endswith("not so large a number")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in the file's place is a fault of the settings."""
    (tmp_path / "watcher.toml").mkdir()
    with pytest.raises(SettingsError, match=r"watcher\.toml: cannot be read: Is a directory"):
        load(tmp_path / "watcher.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('done = "outbox"', "2: folders.outbox and folders.done are the same folder, {}/outbox: give each its own"),
        ('done = "./x/../outbox/"', "2: folders.outbox and folders.done are the same folder, {}/outbox: give each"),
        ('outbox = "inbox/out"', "2: folders.outbox lies inside folders.inbox, {}/inbox: move it out of there"),
        ('inbox = "done/in"', "2: folders.inbox lies inside folders.done, {}/done: move it out of there"),
        ('models = "."', "2: folders.inbox lies inside folders.models, {}: move it out of there"),
        ('failed = "link/x"', "2: folders.failed lies inside folders.inbox, {}/inbox: move it out of there"),
    ],
)
def test_output_may_not_come_in_again(tmp_path: Path, text: str, said: str) -> None:
    """Folders inside the inbox, around it, or the same twice are refused, also by way of a symbolic link."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to("inbox")
    (found,) = faults(tmp_path, f"[folders]\n{text}\n")
    assert found.startswith(said.format(tmp_path))


def test_an_inbox_that_is_the_home_is_refused_for_each_folder(tmp_path: Path) -> None:
    """Everything else would lie inside it."""
    found = faults(tmp_path, '[folders]\ninbox = "."\n')
    assert len(found) == 6
    assert all(line.startswith("2: ") for line in found)


def test_folders_elsewhere_are_fine(tmp_path: Path) -> None:
    """Absolute folders, folders beside the home, and one inside another that is not the inbox."""
    text = f'[folders]\ninbox = "{tmp_path}/a/in"\noutbox = "../out"\ndone = "failed/done"\n'
    (tmp_path / "watcher.toml").write_text(text)
    assert load(tmp_path / "watcher.toml").folders.outbox == "../out"


LINES = commented().splitlines()
VALUES = [
    "1",
    "-1",
    "1e999",
    "nan",
    "true",
    "''",
    "'.'",
    "'a/b'",
    '"\\u0000"',
    "[]",
    "[[{}]]",
    "{}",
    "{a = 1}",
    "1979-05-27",
    "x",
]


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The generated file after somebody's edits: values and keys changed, lines lost, doubled and moved."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        key, _, value = lines[at].partition("=")
        value = draw(st.one_of(st.just(value), st.sampled_from(VALUES), st.text(max_size=5)))
        key = draw(st.one_of(st.just(key), st.sampled_from(["x", '""', '"a b"', "inbox", "intake.x", "[x]"])))
        lines[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from([[f"{key}={value}"], [key], [], [lines[at]] * 2])
        )
        lines = lines or ["x = 1"]
    return "\n".join(lines)


@given(st.one_of(edited(), st.text(), st.binary()))
@example("a.b = 1\na = 2")
@example('[models.routes]\n"" = ""')
@example('intake."" = 1')
@example("a = 1979-05-27T25:00:00")
@example('"""\n[intake]\nx = 1\n"""')
@example("intake = [[[]]]")
def test_any_text_is_settings_or_a_settings_error(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    """Nothing in the file leads to another exception; each fault is one line with the file and a line in it."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    try:
        assert isinstance(load(path), Settings)
    except SettingsError as fault:
        for line in str(fault).split("\n"):
            number = re.match(re.escape(str(path)) + r":(\d+): \S", line)
            assert number
            assert 1 <= int(number[1]) <= data.count(b"\n") + 1


def test_a_misplaced_folder_is_reported_beside_an_unknown_key(tmp_path: Path) -> None:
    """One fault in a section does not hide another."""
    (tmp_path / "watcher.toml").write_text('[folders]\noutbox = "inbox/out"\ndoen = "x"\n')
    with pytest.raises(SettingsError) as found:
        load(tmp_path / "watcher.toml")
    assert [fault.split(":")[1] for fault in found.value.faults] == ["2", "3"]


def test_a_database_that_cannot_be_is_a_fault_of_the_file_and_its_password_no_secret_told(tmp_path: Path) -> None:
    """The line is named, what stands there is not."""
    (tmp_path / "watcher.toml").write_text('[database]\nurl = "mysql://u:secret@h/x"\n')
    with pytest.raises(SettingsError, match=r"watcher\.toml:2: database\.url: should be like sqlite:") as found:
        load(tmp_path / "watcher.toml")
    assert "secret" not in str(found.value)
