"""A daemon at work: routes and their models, duplicates, odd names, and what becomes of the originals."""

from __future__ import annotations

import os
import shutil
import threading
import time
from itertools import count
from pathlib import Path

import homes
import pytest
from structlog.testing import capture_logs

from watcher.errors import HomeError, ModelError
from watcher.models.importing import import_model
from watcher.models.package import MODEL, load
from watcher.models.registry import Registry
from watcher.results import State
from watcher.service import fetching
from watcher.service.daemon import Daemon
from watcher.service.status import status
from watcher.vision.encode import read_caption

ROUTED = {"default": "tiny", "routes": {"cells": "cells"}}


def test_a_picture_becomes_a_row_and_an_annotated_copy(tmp_path: Path, tiny_home_models: Path) -> None:
    """The row tells what, where and by which model; the copy says whose it is; the original is kept as it was."""
    home = homes.make(tmp_path, tiny_home_models)
    data = homes.picture("green", form="JPEG")
    homes.drop(home.inbox, "camera 1/a.JPG", data)
    [row] = homes.run_once(home)
    assert (row.path, row.name, row.grp) == ("camera 1/a.JPG", "a.JPG", "camera 1")
    assert (row.label, row.model, row.model_version, row.state) == ("green", "tiny", 1, State.DONE)
    assert (row.width, row.height) == (24, 18)
    assert row.score and 0.5 < row.score < 1
    assert row.outbox_path == "outbox/camera 1/a.JPG"
    caption = read_caption(home.root / row.outbox_path)
    assert caption and (caption.label, caption.score) == ("green", row.score)
    assert (home.done / "camera 1/a.JPG").read_bytes() == data


def test_two_models_work_side_by_side(tmp_path: Path, tiny_home_models: Path) -> None:
    """Each picture is seen by the model of its route, however they are mixed."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models / "tiny", models / "tiny")
    Registry(models).install(
        "cells",
        load(Registry(models).current("tiny")),
        {
            "labels": ("sick", "well", "odd"),
            "input_size": (16, 16),
            "resize": "squash",
            "base": "mean colour",
            "weights": "made by a test",
            "verified": False,
        },
        homes.NOON,
    )
    home = homes.make(tmp_path, models, models=ROUTED)
    for seed in range(20):
        homes.drop(home.inbox, f"{seed}.png", homes.picture("green", seed))
        homes.drop(home.inbox, f"cells/slide/{seed}.png", homes.picture("green", seed))
    rows = homes.run_once(home)
    assert {(row.model, row.label, row.grp) for row in rows} == {("tiny", "green", ""), ("cells", "well", "slide")}
    assert [row.state for row in rows] == [State.DONE] * 40  # another model's labels are not reused


def test_pictures_wait_for_a_missing_model_while_others_go_on(tmp_path: Path, tiny_home_models: Path) -> None:
    """They stay in the inbox, untouched, and are taken by the running daemon once the model is there."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models / "tiny", models / "tiny")
    home = homes.make(tmp_path, models, models=ROUTED)
    homes.drop(home.inbox, "cells/a.png", homes.picture("red"))
    with homes.daemon_thread(home):
        homes.drop(home.inbox, "b.png", homes.picture("blue"))
        homes.wait_for(lambda: homes.paths(home.done) == {"b.png"}, "the other route is served")
        assert homes.paths(home.inbox) == {"cells/a.png"}
        import_model(Registry(models), "cells", models / "tiny" / "1", homes.NOON)
        homes.wait_for(lambda: homes.paths(home.done) == {"b.png", "cells/a.png"}, "the model is used")
    assert homes.paths(home.inbox) == set()


def test_once_does_not_wait_for_a_missing_model(tmp_path: Path, tiny_home_models: Path) -> None:
    """What can be done is done; the rest stays."""
    home = homes.make(tmp_path, tiny_home_models, models=ROUTED)
    homes.drop(home.inbox, "cells/a.png", homes.picture("red"))
    homes.drop(home.inbox, "b.png", homes.picture("blue"))
    assert [row.path for row in homes.run_once(home)] == ["b.png"]
    assert homes.paths(home.inbox) == {"cells/a.png"}


def test_once_takes_what_comes_while_it_works(tmp_path: Path, tiny_home_models: Path) -> None:
    """It ends when a whole scan has found nothing, not after the first batch."""
    home = homes.make(tmp_path, tiny_home_models)
    homes.drop(home.inbox, "0.png", homes.picture("red", 0))

    def more(rows: object) -> None:
        if (done := len(homes.rows(home))) < 5:
            homes.drop(home.inbox, f"{done}.png", homes.picture("red", done))

    Daemon(home, more, threading.Event(), threading.Event()).run(once=True)
    assert [row.path for row in homes.rows(home)] == [f"{number}.png" for number in range(5)]


def test_the_same_content_again_is_a_duplicate_with_all_that_belongs_to_it(
    tmp_path: Path, tiny_home_models: Path
) -> None:
    """It has its own row, copy and original, whatever bytes its name or that of the first is made of."""
    home = homes.make(tmp_path, tiny_home_models)
    names = [b"caf\xe9.png", b"new\nline.png", b"-v.png", "größe.png".encode()]
    for name in names:
        homes.drop(home.inbox, name, homes.picture("red"))
    rows = homes.run_once(home)
    assert {row.path for row in rows} == {"caf%E9.png", "new%0Aline.png", "-v.png", "größe.png"}
    assert sorted(row.state for row in rows) == [State.DONE] + [State.DUPLICATE] * 3
    first = next(row.path for row in rows if row.state is State.DONE)
    assert {row.reason for row in rows} == {None, f"same content as {first}"}
    assert len({row.score for row in rows}) == 1
    assert homes.paths(home.outbox) == homes.paths(home.done) == {row.path for row in rows}


def test_a_duplicate_is_known_after_a_restart(tmp_path: Path, tiny_home_models: Path) -> None:
    """And classified anew where the settings say so."""
    home = homes.make(tmp_path / "reuse", tiny_home_models)
    other = homes.make(tmp_path / "reclassify", tiny_home_models, intake={"duplicates": "reclassify"})
    for each in (home, other):
        for name in ("1.png", "2.png"):
            homes.drop(each.inbox, name, homes.picture("red"))
            homes.run_once(each)
    assert [row.state for row in homes.rows(home)] == [State.DONE, State.DUPLICATE]
    assert [row.state for row in homes.rows(other)] == [State.DONE, State.DONE]


def test_kept_originals_are_done_once_and_again_when_they_change(tmp_path: Path, tiny_home_models: Path) -> None:
    """They stay in the inbox; a restart leaves them alone; new content under the old name is a new arrival."""
    home = homes.make(tmp_path, tiny_home_models, intake={"originals": "keep"})
    homes.drop(home.inbox, "s/a.png", homes.picture("red"))
    homes.drop(home.inbox, "s/b.png", homes.picture("blue"))
    assert len(homes.run_once(home)) == 2
    assert len(homes.run_once(home)) == 2
    assert homes.paths(home.inbox) == {"s/a.png", "s/b.png"}
    homes.drop(home.inbox, "s/a.png", homes.picture("green"))
    rows = homes.run_once(home)
    assert [row.label for row in rows if row.path == "s/a.png"] == ["red", "green"]
    assert len(rows) == 3
    assert homes.paths(home.done) == set()


def test_deleted_originals_leave_their_copies(tmp_path: Path, tiny_home_models: Path) -> None:
    """What could not be read is kept all the same: nobody has seen it yet."""
    home = homes.make(tmp_path, tiny_home_models, intake={"originals": "delete"})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    homes.drop(home.inbox, "b.png", b"text")
    homes.run_once(home)
    assert homes.paths(home.inbox) == homes.paths(home.done) == set()
    assert homes.paths(home.outbox) == {"a.png"}
    assert homes.paths(home.failed) == {"b.png", "b.png.reason.txt"}


def test_a_picture_taken_back_while_it_waits_is_a_row_that_says_so(tmp_path: Path, tiny_home_models: Path) -> None:
    """Otherwise a person would look for it in vain."""
    home = homes.make(tmp_path, tiny_home_models, intake={"settle_seconds": 1.0})
    homes.run_once(home)
    names = (f"{number}.png" for number in count())
    with homes.daemon_thread(home):

        def dropped_and_taken_back() -> bool:
            name = next(names)
            homes.drop(home.inbox, name, homes.picture("red"))
            time.sleep(0.4)
            (home.inbox / name).unlink(missing_ok=True)
            return any(row.state is State.VANISHED for row in homes.rows(home))

        homes.wait_for(dropped_and_taken_back, "the daemon had seen it")


def test_a_daemon_that_cannot_have_events_scans(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system allows only so many watches; the log says what was done about it."""
    from watcher.intake.events import Hints

    def refused(self: Hints) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Hints, "start", refused)
    home = homes.make(tmp_path, tiny_home_models, intake={"watch": "events"})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    with capture_logs() as logs:
        assert len(homes.run_once(home)) == 1
    assert any("scanned instead" in line["event"] for line in logs)


def test_events_wake_a_daemon_that_scans_seldom(tmp_path: Path, tiny_home_models: Path) -> None:
    """A picture that comes an hour before the next scan is taken all the same."""
    home = homes.make(tmp_path, tiny_home_models, intake={"watch": "auto", "rescan_seconds": 3600})
    with homes.daemon_thread(home):
        for number in range(3):
            homes.drop(home.inbox, f"{number}.png", homes.picture("red", number))
            homes.wait_for(lambda: len(homes.paths(home.done)) == number + 1, "the picture is taken")  # noqa: B023


def test_a_second_daemon_of_one_home_is_refused(tmp_path: Path, tiny_home_models: Path) -> None:
    """The first goes on."""
    home = homes.make(tmp_path, tiny_home_models)
    with homes.daemon_thread(home):
        homes.wait_for((home.inbox / ".watcher").exists, "the first watches")
        with pytest.raises(HomeError, match=f"already being watched, by process {os.getpid()} "):
            homes.run_once(home)
        homes.drop(home.inbox, "a.png", homes.picture("red"))
        homes.wait_for(lambda: homes.paths(home.done), "the first works")


def test_built_in_models_that_the_settings_name_are_fetched(tmp_path: Path) -> None:
    """Before the inbox is emptied, so that a new home works without another command."""
    home = homes.make(tmp_path, tmp_path / "models", models={"default": "efficientnet-lite0", "routes": {}})
    assert homes.run_once(home) == []
    assert Registry(home.models).has("efficientnet-lite0")


def test_a_model_that_cannot_be_fetched_is_told_and_the_others_work(
    tmp_path: Path, tiny_home_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network, and where the disk is full."""

    def no_network(registry: Registry, name: str, now: object) -> None:
        raise fault

    monkeypatch.setattr(fetching, "fetch", no_network)
    home = homes.make(tmp_path, tiny_home_models, models={"default": "tiny", "routes": {"x": "xception"}})
    for number, fault in enumerate([ModelError("no network"), OSError(28, "No space left on device")]):
        homes.drop(home.inbox, f"{number}.png", homes.picture("red", number))
        with capture_logs() as logs:
            assert len(homes.run_once(home)) == number + 1
        [line] = [line for line in logs if line["log_level"] == "warning"]
        assert (line["model"], line["reason"]) == ("xception", str(fault))


def test_the_pictures_of_a_model_that_gives_no_numbers_wait(tmp_path: Path, tiny_home_models: Path) -> None:
    """It is refused when it is loaded, and its pictures wait: they are not at fault."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models, models)
    card = (
        Registry(models)
        .current("tiny")
        .card.model_dump(include={"labels", "input_size", "resize", "base", "weights", "verified"})
    )
    model = load(Registry(models).current("tiny"))
    model.set_weights([weights * float("nan") for weights in model.get_weights()])
    Registry(models).install("broken", model, card, homes.NOON)
    home = homes.make(tmp_path / "home", models, models={"default": "broken", "routes": {}})
    homes.drop(home.inbox, "a.png", homes.picture("red"))
    with capture_logs() as logs:
        assert homes.run_once(home) == []
    assert homes.paths(home.inbox) == {"a.png"}
    assert any("broken/1 gives no numbers" in line.get("reason", "") for line in logs)


def test_once_says_that_pictures_wait_for_a_model_that_was_changed(tmp_path: Path, tiny_home_models: Path) -> None:
    """As of one that is not here: what can be done is done, then one line and the exit code 1."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models / "tiny", models / "tiny")
    import_model(Registry(models), "cells", models / "tiny" / "1", homes.NOON)
    with (models / "cells" / "1" / MODEL).open("ab") as file:
        file.write(b"!")
    home = homes.make(
        tmp_path / "home", models, models={"default": "tiny", "routes": {"cells": "cells", "x": "absent"}}
    )
    for path in ("a.png", "cells/a.png", "cells/b.png", "x/a.png"):
        homes.drop(home.inbox, path, homes.picture("red"))
    done = homes.watcher("run", "--once", home=home.root)
    assert done.returncode == 1
    absent, cells = [line for line in done.stderr.splitlines() if line.startswith("watcher: ")]
    assert absent.startswith("watcher: 1 picture still waiting: there is no model absent")
    assert cells.startswith("watcher: 2 pictures still waiting: cells/1: ") and "was changed" in cells
    assert homes.paths(home.inbox) == {"cells/a.png", "cells/b.png", "x/a.png"}
    assert homes.paths(home.done) == {"a.png"}


def test_status_tells_of_a_model_that_was_changed(tmp_path: Path, tiny_home_models: Path) -> None:
    """Before anybody drops a picture for it."""
    models = tmp_path / "models"
    shutil.copytree(tiny_home_models / "tiny", models / "tiny")
    model = models / "tiny" / "1" / MODEL
    model.write_bytes(model.read_bytes() + b"!")
    home = homes.make(tmp_path / "home", models)
    with homes.daemon_thread(home):
        [trouble] = homes.wait_for(lambda: status(home).troubles, "status tells of it")
        assert (trouble.what, "was changed" in trouble.reason) == ("using the model tiny", True)
