"""What deploy/ has for cron and systemd: it starts real runs, and systemd finds nothing wrong with it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trainings
from homes import NOON, PATIENCE_SECONDS, drop, make, picture, rows, wait_for

from watcher.home import Home
from watcher.jobs.processes import END_SECONDS
from watcher.jobs.schedule import Schedule
from watcher.locks import held
from watcher.models.registry import Registry
from watcher.results import State
from watcher.results.connect import BUSY_MS
from watcher.service.daemon import LONGEST_JOIN_SECONDS, PICTURE_SECONDS
from watcher.service.supervision import PING_SECONDS
from watcher.service.watch import LAST_RESORT_SECONDS
from watcher.settings import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = ("watcher.service", "watcher-job@.service", "watcher-job@.timer")
BIN, HOME, JOB = "/opt/watcher/bin", "/srv/pictures", "malaria"
SCRIPTS = sysconfig.get_path("scripts")
ENVIRONMENT = {"SHELL": "/bin/sh", "LOGNAME": "watcher", "PATH": "/usr/bin:/bin"}
FLOORS = {"not passed": {"calibration_error": 0.0}}
SAID = {
    "promoted": "promoted tones/1",
    "not passed": "refused tones/1",
    "runs already": "the job tones runs already",
    "no pictures": "there is no such folder",
}
# systemd-analyze has tenths of its score.
MOST_EXPOSED = "15"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With a job `tones` that has no schedule, and pictures for it."""
    trainings.drop(tmp_path / "set", groups=10, each=2)
    made = make(tmp_path / "home", tmp_path / "home" / "models")
    write_job(made)
    return made


def write_job(home: Home, source: str = "../../set", floors: dict[str, float] | None = None) -> None:
    training = trainings.SMALL | {"views": 1, "blocks": ["conv"], "held_out": 0.3}
    tables = {"data": {"source": source, "group_by": r"^\d+"}, "training": training, "gate.floors": floors or {}}
    lines = ['model = "tones"']
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (home.jobs / "tones.toml").write_text("\n".join(lines), "utf-8")


def unit(name: str) -> dict[str, list[str]]:
    """What a unit file says, by key."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text("utf-8").splitlines():
        if re.match(r"[A-Z]\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def here(text: str, home: Home) -> str:
    """With this test's program and home in the place of those of a real machine."""
    assert HOME in text
    return text.replace(BIN, SCRIPTS).replace(HOME, str(home.root))


def command_of(name: str, home: Home) -> list[str]:
    """What systemd would start."""
    said = unit(name)
    (line,) = said["ExecStart"]
    niceness = said.get("Nice", ["0"])[0]
    return ["nice", "-n", niceness, *shlex.split(here(line, home).replace("%i", "tones"))]


def ended(command: Sequence[str], path: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end with as little around it as cron and systemd give."""
    environment = ENVIRONMENT | {"HOME": str(cwd), "PATH": path}
    options: dict[str, Any] = {"env": environment, "cwd": cwd, "timeout": 5 * PATIENCE_SECONDS}
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_line_of_the_crontab_runs_a_job(home: Home, tmp_path: Path) -> None:
    """By /bin/sh, with nothing but what the crontab sets: the model goes live, and there is something to mail."""
    lines = [line for line in (DEPLOY / "watcher.crontab").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    settings = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    (line,) = (line for line in lines if not re.match(r"\w+=", line))
    *times, command = line.split(maxsplit=5)
    assert Schedule.parse(" ".join(times), "UTC")
    assert "%" not in command and command.endswith(f" {JOB}") and settings["MAILTO"]
    command = here(command, home).removesuffix(JOB) + "tones"
    done = ended(["/bin/sh", "-c", command], settings["PATH"].replace(BIN, SCRIPTS), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Run 1: promoted tones/1: ")
    assert Registry(home.models).current("tones").card.version == 1


class TestJobService:
    """A run of watcher-job@tones."""

    @pytest.mark.parametrize(
        ("case", "code", "succeeds"),
        [("promoted", 0, True), ("not passed", 3, True), ("runs already", 4, True), ("no pictures", 1, False)],
    )
    def test_only_a_fault_makes_a_failed_unit(
        self, home: Home, tmp_path: Path, case: str, code: int, succeeds: bool
    ) -> None:
        """A new model that is no better is what the gate is for, and no fault; the last line says what happened."""
        write_job(home, source="nowhere" if case == "no pictures" else "../../set", floors=FLOORS.get(case))
        with ExitStack() as stack:
            if case == "runs already":
                home.job_logs.mkdir()
                stack.enter_context(held(home.job_lock("tones"), NOON))
            done = ended(command_of("watcher-job@.service", home), ENVIRONMENT["PATH"], tmp_path)
        assert done.returncode == code, done.stderr
        assert SAID[case] in done.stdout + done.stderr.splitlines()[-1]
        assert (code in successes()) is succeeds

    def test_a_run_that_is_stopped_makes_no_failed_unit(self, home: Home, tmp_path: Path) -> None:
        """SIGTERM ends it soon, and it says how to go on."""
        log = tmp_path / "log"
        with log.open("wb") as said:
            process = subprocess.Popen(command_of("watcher-job@.service", home), stderr=said, env=ENVIRONMENT)
        try:
            wait_for(lambda: "Reading the pictures" in log.read_text("utf-8"), "the run has begun")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) in successes()
        finally:
            process.kill()
            process.wait()
        assert "goes on where it was" in log.read_text("utf-8")


def successes() -> set[int]:
    """The exit codes that systemd takes for success."""
    (line,) = unit("watcher-job@.service")["SuccessExitStatus"]
    return {0, *map(int, line.split())}


def test_the_service_s_daemon_classifies_and_ends_when_it_is_told_to(tmp_path: Path, tiny_home_models: Path) -> None:
    """With exit code 0, so that systemd does not start it again."""
    home = make(tmp_path / "home", tiny_home_models)
    drop(home.inbox, "a.png", picture("red"))
    process = subprocess.Popen(command_of("watcher.service", home), stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    try:
        wait_for((home.done / "a.png").exists, "the picture is classified")
        assert [row.state for row in rows(home)] == [State.DONE]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_the_daemon_is_given_the_time_that_its_end_may_take() -> None:
    """It waits for its batch, the database, its threads and a training, each with a limit; systemd has more patience."""
    (minutes,) = unit("watcher.service")["TimeoutStopSec"]
    inference = Settings().inference
    batch = inference.timeout_seconds + inference.batch_size * PICTURE_SECONDS + LAST_RESORT_SECONDS
    assert int(minutes.removesuffix("min")) * 60 > batch + BUSY_MS / 1000 + 2 * LONGEST_JOIN_SECONDS
    assert END_SECONDS < LONGEST_JOIN_SECONDS


def test_the_watchdog_waits_for_the_watch_inside() -> None:
    """A call that hangs begins a new program, or ends the process, before systemd does; the daemon pings, and is heard."""
    said = unit("watcher.service")
    (minutes,) = said["WatchdogSec"]
    inference = Settings().inference
    own = inference.timeout_seconds + inference.batch_size * PICTURE_SECONDS + LAST_RESORT_SECONDS
    assert int(minutes.removesuffix("min")) * 60 > own + 2 * PING_SECONDS
    assert (said["Type"], said["NotifyAccess"]) == (["notify"], ["main"])


@pytest.mark.systemd
@needs_systemd
class TestSystemd:
    """What systemd itself says of the units."""

    def test_every_unit_is_right(self, tmp_path: Path) -> None:
        """No key is misspelt, no value is wrong, and what is to be started can be started."""
        for name in UNITS:
            text = (DEPLOY / name).read_text("utf-8").replace(f"{BIN}/watcher", f"{SCRIPTS}/watcher")
            (tmp_path / name).write_text(text, "utf-8")
        paths = [str(tmp_path / name) for name in UNITS]
        done = analyze("verify", "--man=no", "--recursive-errors=no", *paths)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "watcher" in line]
        assert (done.returncode, said) == (0, [])

    @pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
    def test_no_service_may_do_more_than_it_needs(self, name: str) -> None:
        """By systemd's own measure, where 10 is no protection at all and below 2 is the best mark."""
        done = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(DEPLOY / name))
        assert done.returncode == 0, done.stdout + done.stderr


def analyze(*args: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
