"""What is left after a crash, and who wins when several daemons want the same picture."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from crashes import crash_before_every_step

from watcher.intake.arrivals import Claim, Seen
from watcher.intake.claims import FOLDER, ClaimFolder, new_id
from watcher.intake.scan import scan

OWNER = "homeaaaa"
LONG = "/".join(["f" * 200, "g" * 200])

# Claims, counts and puts back, over and over: `argv` are the inbox and the owner. Says when it begins.
WORK_WITHOUT_END = """
import sys
from pathlib import Path
from watcher.intake.arrivals import Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import scan

inbox = Path(sys.argv[1])
claims = ClaimFolder(inbox, sys.argv[2])
claims.make()
for left in claims.recover():
    claims.put_back(left)
print(flush=True)
while True:
    for seen in [item for item in scan(inbox) if isinstance(item, Seen)]:
        if claim := claims.claim(seen):
            claims.put_back(claims.attempt(claim))
"""

CLAIM_AND_PUT_BACK = """
from collections import Counter
from watcher.intake.arrivals import Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import scan

PATHS = ["a.jpg", "s/b.jpg", "/".join(["f" * 200, "c.jpg"])]

def pictures(inbox):
    return [item for item in scan(inbox) if isinstance(item, Seen)]

def prepare(inbox):
    ClaimFolder(inbox, "homeaaaa").make()
    for path in PATHS:
        (inbox / path).parent.mkdir(exist_ok=True)
        (inbox / path).write_text(path)

def work(inbox):
    claims = ClaimFolder(inbox, "homeaaaa")
    for seen in pictures(inbox):
        claim = claims.attempt(claims.claim(seen))
        if seen.path == "s/b.jpg":
            (inbox / seen.path).write_text("again")
        claims.put_back(claim)

def check(inbox):
    claims = ClaimFolder(inbox, "homeaaaa")
    left = claims.recover()
    there = [claims.file(claim).read_text() for claim in left]
    there += [(inbox / seen.path).read_text() for seen in pictures(inbox)]
    there = Counter(text for text in there if text not in ("again", ""))
    assert there == Counter(PATHS), there
    for claim in left:
        claims.put_back(claim)
    assert list((inbox / ".watcher").iterdir()) == []
"""

# Claims all it can, then says which.
CLAIM_ALL = """
import sys
from pathlib import Path
from watcher.intake.arrivals import Seen
from watcher.intake.claims import ClaimFolder
from watcher.intake.scan import scan

inbox = Path(sys.argv[1])
claims = ClaimFolder(inbox, sys.argv[2])
seen = [item for item in scan(inbox) if isinstance(item, Seen)]
print(flush=True)
sys.stdin.readline()
for item in seen:
    if claim := claims.claim(item):
        print(claims.file(claim).read_text())
"""


@pytest.fixture
def claims(tmp_path: Path) -> ClaimFolder:
    folder = ClaimFolder(tmp_path, OWNER)
    folder.make()
    return folder


def drop(inbox: Path, count: int) -> None:
    for number in range(count):
        path = inbox / (f"s/{number}.jpg" if number % 5 else f"{LONG}/{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))


def pictures(inbox: Path) -> list[Seen]:
    return [item for item in scan(inbox) if isinstance(item, Seen)]


def test_nothing_is_lost_or_doubled_by_a_kill_at_any_moment(tmp_path: Path, claims: ClaimFolder) -> None:
    """A daemon killed again and again leaves every picture once: in the inbox, or claimed and recovered."""
    drop(tmp_path, 40)
    pause = random.Random(0)
    for _ in range(8):
        command = [sys.executable, "-c", WORK_WITHOUT_END, tmp_path, OWNER]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout.readline() == b"\n"
            time.sleep(pause.uniform(0.005, 0.05))
            daemon.send_signal(signal.SIGKILL)
        left = claims.recover()
        claimed = [claims.file(claim).read_text() for claim in left]
        waiting = [(tmp_path / seen.path).read_text() for seen in pictures(tmp_path)]
        assert Counter(claimed + waiting) == Counter(map(str, range(40)))
    for claim in left:
        claims.put_back(claim)
    assert len(pictures(tmp_path)) == 40
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_crash_before_any_step_leaves_every_picture_once(tmp_path: Path) -> None:
    """Whichever step of a claim or a return is the last, the claim folder and the inbox tell the whole story."""
    assert crash_before_every_step(CLAIM_AND_PUT_BACK, tmp_path) > 15


def test_of_two_daemons_exactly_one_gets_each_picture(tmp_path: Path, claims: ClaimFolder) -> None:
    """Homes that share an inbox divide its pictures among them: none is taken twice, none is left."""
    drop(tmp_path, 300)
    daemons = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, tmp_path, owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner in ("homebbbb", "homecccc")
    ]
    for daemon in daemons:
        assert daemon.stdout.readline() == "\n"
    for daemon in daemons:
        daemon.stdin.write("\n")
        daemon.stdin.flush()
    won = [daemon.communicate()[0].split() for daemon in daemons]
    assert [daemon.returncode for daemon in daemons] == [0, 0]
    assert Counter(won[0] + won[1]) == Counter(map(str, range(300)))
    assert pictures(tmp_path) == []
    for owner, wins in zip(("homebbbb", "homecccc"), won, strict=True):
        assert len(ClaimFolder(tmp_path, owner).recover()) == len(wins)
    assert len(claims.ids()) == 300
    assert claims.recover() == []


def test_of_many_threads_exactly_one_gets_each_picture(tmp_path: Path, claims: ClaimFolder) -> None:
    """The rename decides, so that who asked first, or how many ask, makes no difference."""
    drop(tmp_path, 50)
    seen = pictures(tmp_path)
    homes = [ClaimFolder(tmp_path, f"home{letter * 4}") for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda home: [item.path for item in seen if home.claim(item)], homes))
    assert sorted(path for wins in won for path in wins) == sorted(item.path for item in seen)
    assert len(claims.ids()) == 50


def test_only_ones_own_claims_are_recovered_the_least_tried_first(tmp_path: Path, claims: ClaimFolder) -> None:
    """A picture that was opened by a process that then died comes after those that were not."""
    drop(tmp_path, 4)
    mine = []
    for attempts, seen in zip((2, 0, 1), pictures(tmp_path), strict=False):
        claim = claims.claim(seen)
        assert claim is not None
        for _ in range(attempts):
            claim = claims.attempt(claim)
        mine.append(claim)
    other = ClaimFolder(tmp_path, "homebbbb").claim(*pictures(tmp_path))
    assert other is not None
    assert claims.recover() == sorted(mine, key=lambda claim: claim.attempts)
    assert sorted(claims.ids()) == sorted([claim.id for claim in mine] + [other.id])


def test_a_crash_between_the_folders_and_the_rename_leaves_nothing(tmp_path: Path, claims: ClaimFolder) -> None:
    """Folders that were made for a long path whose picture never came are removed at the next start."""
    (tmp_path / FOLDER / f"{OWNER}.{new_id()}.0" / LONG).mkdir(parents=True)
    (tmp_path / FOLDER / f"homebbbb.{new_id()}.0" / LONG).mkdir(parents=True)
    assert claims.recover() == []
    assert claims.ids() == []
    assert [path.name[:8] for path in (tmp_path / FOLDER).iterdir()] == ["homebbbb"]


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        f"{OWNER}.tooshort.0.a.jpg",
        f"{OWNER}.{'a' * 16}.x.a.jpg",
        f"{OWNER}.{'a' * 16}.0...%2F..%2Fetc.jpg",
        f"{OWNER}.{'a' * 16}.0.%2Fetc%2Fpasswd.jpg",
        f"{OWNER}.{'a' * 16}.0.a%2F%2Fb.jpg",
    ],
)
def test_what_others_put_into_the_claim_folder_is_not_touched(tmp_path: Path, claims: ClaimFolder, name: str) -> None:
    """A name that is no claim, or would lead out of the inbox, is nobody's picture."""
    (tmp_path / FOLDER / name).write_bytes(b"not ours")
    assert claims.recover() == []
    assert claims.ids() == []
    assert (tmp_path / FOLDER / name).read_bytes() == b"not ours"


def test_a_claim_is_recovered_as_it_is_now(tmp_path: Path, claims: ClaimFolder) -> None:
    """A picture that was claimed and changed before the crash is taken with what it holds today."""
    drop(tmp_path, 1)
    claim = claims.claim(*pictures(tmp_path))
    assert claim is not None
    with claims.file(claim).open("a") as file:
        file.write("more")
    [recovered] = claims.recover()
    assert recovered.fingerprint.size == claim.fingerprint.size + 4
    assert recovered == Claim(claim.id, claim.path, recovered.fingerprint)
    assert os.path.exists(claims.file(recovered))
