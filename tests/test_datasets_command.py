"""`watcher datasets`: from an address or a file at hand to a folder that can be trained with."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import homes
import pytest
from archives import Host, cells, check, hosted, zipped
from click.testing import CliRunner, Result

from watcher.cli.main import main
from watcher.training import datasets
from watcher.training.datasets import DATA_SETS, MALARIA, contents
from watcher.training.examples import find_examples
from watcher.training.fetching import fetch

ARCHIVE = zipped(cells())


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def call(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["datasets", *map(str, args)])


def fault(*args: str | Path, code: int = 1) -> str:
    """The one line that a command which must fail says."""
    done = call(*args)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_sets_are_listed() -> None:
    """With where they come from, what to cite and how pictures of one slide are told."""
    [row] = json.loads(call("list", "--format", "json").stdout)
    assert (row["name"], row["pictures"], row["labels"]) == ("malaria", 27_558, "Parasitized, Uninfected")
    assert row["url"].startswith("https://")
    assert "PeerJ" in row["citation"]
    [line] = csv.DictReader(io.StringIO(call("list", "--format", "csv").stdout))
    assert line["group_by"] == row["group_by"]
    assert "27558" in call("list").stdout


def test_a_fetched_set_is_ready_to_be_trained_with(tmp_path: Path) -> None:
    """What is there is counted, and the next command, as it is printed, finds labels and slides."""
    target = tmp_path / "my cells"
    with hosted(Host(ARCHIVE)) as host:
        done = call("fetch", "malaria", "--into", target, "--url", host.url)
    assert done.exit_code == 0, done.output
    check(target)
    assert [path.name for path in tmp_path.iterdir()] == ["my cells"]
    for line in ("9  Parasitized", "9  Uninfected", "3  slides", "Please cite: Rajaraman"):
        assert line in done.stdout
    assert "the published set has 13,779 Parasitized, 13,779 Uninfected" in done.stderr
    *_, command = done.stdout.splitlines()
    words = shlex.split(command)
    assert words == ["Next:", "watcher", "train", str(target), "--model", "malaria", "--group-by", r"^C(\d+)"]
    assert {example.group for example in find_examples(Path(words[3]), words[-1])} == {"1", "33", "204"}


def test_a_second_call_asks_nobody(tmp_path: Path) -> None:
    """What is there is counted again and left as it is."""
    with hosted(Host(ARCHIVE)) as host:
        first = call("fetch", "malaria", "--into", tmp_path / "a", "--url", host.url)
    again = call("fetch", "malaria", "--into", tmp_path / "a", "--url", host.url)
    assert again.exit_code == 0
    assert again.stdout == first.stdout.replace("is ready", "is here already")


def test_by_default_it_comes_from_its_publisher_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its own name; if all of it is there, nothing is complained of."""
    monkeypatch.chdir(tmp_path)
    with hosted(Host(ARCHIVE)) as host:
        small = replace(MALARIA, url=host.url, counts={"Parasitized": 9, "Uninfected": 9})
        monkeypatch.setitem(DATA_SETS, "malaria", small)
        done = call("fetch", "malaria")
    assert (done.exit_code, done.stderr) == (0, "")
    check(tmp_path / "malaria")


@pytest.mark.parametrize("how", ["path", "address", "beside"])
def test_an_archive_brought_by_hand_is_used_and_kept(tmp_path: Path, how: str) -> None:
    """By its path, as file://, or where the command said to put it; nobody is asked."""
    archive = tmp_path / ("malaria.zip" if how == "beside" else "brought by hand.zip")
    archive.write_bytes(ARCHIVE)
    given = {"path": ["--url", archive], "address": ["--url", archive.as_uri()], "beside": []}[how]
    done = call("fetch", "malaria", "--into", tmp_path / "cells", *given)
    assert done.exit_code == 0, done.output
    check(tmp_path / "cells")
    assert archive.read_bytes() == ARCHIVE


def test_without_internet_it_is_said_what_to_bring_and_where_to_put_it(tmp_path: Path) -> None:
    """The publisher's address, the file's name beside the folder, and the option for any other place."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        said = fault(
            "fetch", "malaria", "--into", tmp_path / "a", "--url", f"http://127.0.0.1:{closed.getsockname()[1]}/"
        )
    assert "Connection refused" in said
    assert MALARIA.url in said
    assert f"put it here as {tmp_path / 'malaria.zip'}" in said
    assert "--url PATH" in said


@pytest.mark.parametrize("way", ["file", "pictures", "one label", "labels without pictures"])
def test_what_is_in_the_way_is_left_alone(tmp_path: Path, way: str) -> None:
    """Something else than the set is neither replaced nor added to."""
    target = tmp_path / "cells"
    if way == "file":
        target.write_text("mine")
    elif way == "labels without pictures":
        homes.drop(target, "Parasitized/a.txt", b"mine")
        homes.drop(target, "Uninfected/a.png", b"mine")
    else:
        homes.drop(target, {"pictures": "a.png", "one label": "Parasitized/a.png"}[way], b"mine")
    before = homes.paths(tmp_path)
    (tmp_path / "archive.zip").write_bytes(ARCHIVE)
    assert "is in the way" in fault("fetch", "malaria", "--into", target, "--url", tmp_path / "archive.zip")
    assert homes.paths(tmp_path) == before | {"archive.zip"}


def test_a_damaged_download_is_removed_and_a_damaged_file_kept(tmp_path: Path) -> None:
    """So that the next run does not find the same again; somebody's own file is somebody's."""
    with hosted(Host(b"<html>Please log in</html>")) as host:
        assert "it was removed, so run" in fault("fetch", "malaria", "--into", tmp_path / "a", "--url", host.url)
        host.data, host.etag = ARCHIVE, '"2"'
        assert call("fetch", "malaria", "--into", tmp_path / "a", "--url", host.url).exit_code == 0
    check(tmp_path / "a")
    (tmp_path / "my.zip").write_bytes(ARCHIVE[:-100])
    assert "get it again" in fault("fetch", "malaria", "--into", tmp_path / "b", "--url", tmp_path / "my.zip")
    assert homes.paths(tmp_path) == {f"a/{name}" for name in homes.paths(tmp_path / "a")} | {"my.zip"}


def test_wrong_addresses_and_names_are_told(tmp_path: Path) -> None:
    """Before anything is made."""
    assert "known are: malaria" in fault("fetch", "cats", code=2)
    target = ("fetch", "malaria", "--into", tmp_path / "a", "--url")
    assert "begins with https://" in fault(*target, "ftp://host/a.zip", code=2)
    assert "there is no such file" in fault(*target, "nothing.zip")
    assert "there is no such file" in fault(*target, "file:///nothing.zip")
    assert homes.paths(tmp_path) == set()


def test_sets_whose_names_tell_no_slide_are_fetched_too(tmp_path: Path) -> None:
    """The next command then names no expression, for it would find nothing."""
    renamed = {name.replace("/C", "/cell"): data for name, data in cells().items()}
    (tmp_path / "a.zip").write_bytes(zipped(renamed))
    done = call("fetch", "malaria", "--into", tmp_path / "a", "--url", tmp_path / "a.zip")
    assert done.stdout.endswith(f"Next: watcher train {tmp_path / 'a'} --model malaria\n")
    assert contents(tmp_path / "a", MALARIA).groups is None


def test_a_known_sets_folder_is_recognized(tmp_path: Path) -> None:
    """By its labels, hidden folders aside; nothing else is, whatever its name."""
    for name in ("Parasitized", "Uninfected", ".git"):
        (tmp_path / name).mkdir()
    assert datasets.group_by_of(tmp_path) == MALARIA.group_by
    (tmp_path / "Other").mkdir()
    assert datasets.group_by_of(tmp_path) is None
    assert datasets.group_by_of(tmp_path / "nothing") is None


def process(host: Host, target: Path, **more: int) -> subprocess.Popen[str]:
    """The real command."""
    command = [sys.executable, "-m", "watcher", "datasets", "fetch", "malaria", "--into", str(target)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen([*command, "--url", host.url], text=True, **streams)  # type: ignore[call-overload,no-any-return]


def test_ctrl_c_keeps_what_came_and_two_at_once_do_not_mix(tmp_path: Path) -> None:
    """The second is refused, the first says how to go on, and the next run brings the rest alone."""
    part = tmp_path / "malaria.zip.part"
    with hosted(Host(ARCHIVE, breaks_after=[5000], stalls=True)) as host:
        with process(host, tmp_path / "cells") as first:
            homes.wait_for(lambda: part.exists() and part.stat().st_size == 5000, "something came")
            assert "is at work in" in fault("fetch", "malaria", "--into", tmp_path / "cells", "--url", host.url)
            first.send_signal(signal.SIGINT)
            said = first.communicate(timeout=homes.PATIENCE_SECONDS)[1]
        assert first.returncode == 1
        assert said == "watcher: stopped; what was downloaded is kept: run the same command again to go on\n"
        assert part.read_bytes() == ARCHIVE[:5000]
        assert call("fetch", "malaria", "--into", tmp_path / "cells", "--url", host.url).exit_code == 0
    assert host.asked == [None, "bytes=5000-"]
    check(tmp_path / "cells")


def test_progress_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    """Of the download, then of the unpacking; of a file without a length, too."""
    for number, says_length in enumerate((True, False)):
        terminal, end = pty.openpty()
        shown = b""
        with hosted(Host(ARCHIVE, says_length=says_length)) as host:
            with process(host, tmp_path / str(number), stderr=end) as running:
                os.close(end)
                try:
                    while chunk := os.read(terminal, 65536):
                        shown += chunk
                except OSError:  # Linux' way to say that the other end is closed
                    pass
            os.close(terminal)
        assert running.returncode == 0
        assert b"Downloading" in shown
        assert b"18 of 18 pictures" in shown


def test_fetching_takes_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And makes the folders above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.zip").write_bytes(ARCHIVE)
    found = fetch(MALARIA, Path("some/where/cells"), lambda *_: None, "a.zip")
    assert (found.contents.pictures, found.was_there) == (18, False)
    check(tmp_path / "some/where/cells")
