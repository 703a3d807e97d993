"""What Watcher makes may be read by its group and by nobody else, or by whom the settings say."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import trainings
from homes import drop, picture, watcher
from sqlalchemy import text

from watcher.cli.options import keep_rights
from watcher.errors import SettingsError
from watcher.home import open_home
from watcher.results import Database
from watcher.settings import Settings, load

SETTINGS = """
[models]
default = "tiny"
routes = {}

[intake]
settle_seconds = 0.05
watch = "scan"

[permissions]
umask = "%s"
"""
GROUP = 54321
LONG = "long/" + "x" * 250 + ".png"
JOB = """
model = "tones"
[data]
source = "../../set"
group_by = '^\\d+'
[training]
base = "mobilenetv3small"
weights = "none"
input_size = 32
views = 1
held_out = 0.3
"""


def command(*args: str, home: Path) -> None:
    """As from a shell that leaves everything open to everybody."""
    done = watcher(*args, home=home, umask=0o000)
    assert done.returncode == 0, done.stderr


def rights(root: Path) -> dict[str, str]:
    """Every file and folder below a home, and the home itself, with who may do what."""
    return {str(path.relative_to(root)): f"{_mode(path):o}" for path in (root, *root.rglob("*"))}


def _mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def expected(root: Path, file: str, folder: str) -> dict[str, str]:
    return {str(path.relative_to(root)): folder if path.is_dir() else file for path in (root, *root.rglob("*"))}


def test_a_new_home_is_for_its_owner_and_group(tmp_path: Path) -> None:
    """Whatever the shell that it is made from would leave open; folders above it that had to be made, too."""
    root = tmp_path / "a/home"
    command("init", home=root)
    assert rights(root.parent) == expected(root.parent, "640", "750")
    assert len(rights(root)) > 8


def test_what_a_home_lacks_is_made_as_its_settings_say(tmp_path: Path) -> None:
    """Also by `init`, which comes before any other command."""
    tmp_path.chmod(0o770)
    (tmp_path / "watcher.toml").write_text('[permissions]\numask = "007"\n')
    (tmp_path / "watcher.toml").chmod(0o660)
    command("init", home=tmp_path)
    assert rights(tmp_path) == expected(tmp_path, "660", "770") | dict.fromkeys(("jobs", "models"), "750")


def test_a_home_can_be_made_for_a_group_that_drops_pictures(tmp_path: Path) -> None:
    """The settings say so from then on; a home that is there is not changed by `init`."""
    command("init", "--umask", "007", home=tmp_path / "home")
    closed = {".": "750", "watcher.toml": "640", "jobs": "750", "models": "750"}
    assert rights(tmp_path / "home") == expected(tmp_path / "home", "660", "770") | closed
    assert load(tmp_path / "home/watcher.toml").permissions.umask == "007"
    for home, word, said in (("home", "022", "is a home already: set umask under"), ("new", "7", "--umask should be")):
        done = watcher("init", "--umask", word, home=tmp_path / home)
        assert done.returncode == 2
        assert said in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_member_of_the_group_brings_pictures_and_decides_nothing(open_folder: Path) -> None:
    """As the handbook has it: the group may enter the home, and write to the folders of the pictures alone."""
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, -1, GROUP)
    home.chmod(0o2750)
    command("init", "--umask", "007", home=home)
    folders = {path.name: f"{_mode(path):o}" for path in home.iterdir() if path.is_dir() and path.name[0] != "."}
    shared = dict.fromkeys(("inbox", "outbox", "done", "failed", "corrections"), "2770")
    assert folders == shared | {"jobs": "2750", "models": "2750"}
    for may in ("echo x > inbox/a.png", "mkdir inbox/slide", "mkdir -p corrections/tiny/red", "cat watcher.toml"):
        assert as_member(home, may), may
    for may_not in (
        "echo >> watcher.toml", "mv jobs old", "mv watcher.toml old", "touch jobs/a.toml", "mkdir models/tiny",
        "touch new", "rm -f watcher.toml",
    ):  # fmt: skip
        assert not as_member(home, may_not), may_not


def as_member(home: Path, line: str) -> bool:
    """Whether somebody else of the group can do this."""
    who = ["setpriv", f"--reuid={GROUP + 1}", f"--regid={GROUP}", "--clear-groups"]
    done = subprocess.run([*who, "sh", "-c", line], cwd=home, capture_output=True, check=False, umask=0o007)
    return done.returncode == 0


def test_the_database_beside_its_log_is_no_more_open_than_other_files(tmp_path: Path) -> None:
    """While it is written, SQLite has two files more."""
    keep_rights(Settings())
    with Database.open("sqlite:///watcher.db", tmp_path) as database:
        database.migrate()
        with database.reading() as connection:
            connection.execute(text("SELECT count(*) FROM images"))
            names = {path.name: oct(_mode(path)) for path in tmp_path.iterdir()}
    assert names == dict.fromkeys(("watcher.db", "watcher.db-wal", "watcher.db-shm"), "0o640")


@pytest.mark.parametrize(
    ("umask", "file", "folder", "database"), [("027", "640", "750", "640"), ("007", "660", "770", "640")]
)
def test_all_that_the_daemon_and_the_runs_of_jobs_make_has_the_rights_of_the_settings(
    tmp_path: Path, tiny_home_models: Path, umask: str, file: str, folder: str, database: str
) -> None:
    """Copies, notes, claims, locks; SQLite lets at most its owner write. Originals keep their own.

    Versions and logs, which say or show what the daemon does, are never for others to change.
    """
    home = tmp_path / "home"
    home.mkdir()
    (home / "watcher.toml").write_text(SETTINGS % umask)
    command("init", home=home)
    shutil.copytree(tiny_home_models, home / "models", dirs_exist_ok=True)
    dropped = {"s/a.png": picture("red"), "again.png": picture("red"), "s/bad.png": b"x", LONG: picture("blue")}
    for path, data in dropped.items():
        drop(home / "inbox", path, data)
        (home / "inbox" / path).chmod(0o604)
    before = set(rights(home))
    command("run", "--once", home=home)
    if umask == "007":
        trainings.drop(tmp_path / "set", groups=10, each=2)
        (home / "jobs/tones.toml").write_text(JOB)
        (home / "jobs/tones.toml").chmod(0o660)
        command("jobs", "run", "tones", home=home)
    now = {path: mode for path, mode in rights(home).items() if path not in before}
    originals = {f"done/{path}" for path in dropped if "bad" not in path} | {"failed/s/bad.png"}
    wanted = {path: mode for path, mode in expected(home, file, folder).items() if path in now}
    wanted |= dict.fromkeys(originals, "604") | {"watcher.db": database}
    for path in now:
        if path.startswith("models/") or path == "jobs/log":
            wanted[path] = "750" if (home / path).is_dir() else "640"
    assert now == wanted
    assert {"failed/s/bad.png.reason.txt", "outbox/s/a.png", "inbox/.watcher", ".watcher.lock"} <= set(now)
    assert umask != "007" or {"models/tones/1/model.keras", "models/tones/1/report.html"} <= set(now)


@pytest.mark.parametrize("wrong", ['"27"', '"927"', '"777"', '"00027"', '"+27"', "27", '""', '"-rw"', "true", "[]"])
def test_what_is_no_umask_is_said_in_one_line(tmp_path: Path, wrong: str) -> None:
    """The owner's own digit must be 0, or Watcher could not use what it has made."""
    (tmp_path / "watcher.toml").write_text(f"[permissions]\numask = {wrong}\n")
    with pytest.raises(SettingsError) as fault:
        load(tmp_path / "watcher.toml")
    (said,) = fault.value.faults
    assert said.startswith(f"{tmp_path}/watcher.toml:2: permissions.umask: should be three digits from 0 to 7, of")
    assert ", in quotes, not " in said


def test_the_library_leaves_the_umask_of_its_caller_alone(tmp_path: Path) -> None:
    """Only a command sets it, for it holds for the whole process."""
    (tmp_path / "watcher.toml").write_text('[permissions]\numask = "077"\n')
    before = os.umask(0o022)
    os.umask(before)
    assert open_home(tmp_path).settings.permissions.mask == 0o077
    assert os.umask(before) == before
