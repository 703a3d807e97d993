"""The points at which a run can be broken, and what becomes of the pictures when it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from breaking import Ran, TinyDaemons
from oracle import Wrong, books
from scenes import NOTE, PICTURES, SCENES, Stage, Stages
from tracing import ASKS, CHANGES, KIND, events

from watcher.books.findings import Finding
from watcher.books.verify import verify
from watcher.home import open_home

WATCHED_RUNS = 2  # threads take turns as they like, so one run does not show all points


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The `number`-th call of this name about a path, which is relative to the stage's `near` or `far` folder.

    Without a folder it is relative to what only the call knows.
    """

    call: str
    folder: str
    path: bytes
    number: int
    asks: bool = False  # changes nothing

    @property
    def kind(self) -> str:
        return "a question" if self.asks else KIND[self.call]

    def __str__(self) -> str:
        return f"{self.call} {self.number} of {self.path!r} ({self.folder})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fault has done; it was not met if the run never came to its point."""

    met: bool
    wrong: tuple[Wrong, ...] = ()
    story: str = ""


class Bench:
    """Breaks runs of the tiny daemon, each on a stage of its own."""

    def __init__(self, slow: Path, fast: Path) -> None:
        self._stages = Stages(slow, fast)
        self._daemons = TinyDaemons(self._stages)
        self._numbers = count()
        self._points: dict[tuple[str, bool], list[Point]] = {}

    def close(self) -> None:
        self._daemons.close()

    def can_show(self, scene: str) -> bool:
        """Whether the scene needs no second file system, or there is one."""
        return self._stages.are_apart or not SCENES[scene].apart

    def points(self, scene: str, *, asking: bool = False) -> list[Point]:
        """Those of runs without a fault: calls that change files or, with `asking`, calls that only look."""
        if (scene, asking) not in self._points:
            calls = [call for kind in CHANGES.values() for call in kind]
            found = set()
            for _ in range(WATCHED_RUNS):
                stage = self._set_up(scene)
                ran = self._daemons.run(stage, "run 0", calls=ASKS if asking else calls, inject=stage.scene.inject)
                assert ran.code == 0, ran.said
                found |= {
                    Point(event.call, *stage.place_of(event.name), event.number, asking)
                    for event in events(ran.trace, stage.root, stage.far)
                    if (event.call in KIND and event.changes) is not asking
                    and f"{event.call}:error" not in "".join(stage.scene.inject)
                }
                stage.remove()
            self._points[scene, asking] = sorted(found)
        return self._points[scene, asking]

    def played(self, scene: str) -> Stage:
        """A stage on which a run has ended that nothing happened to; not removed."""
        stage = self._set_up(scene)
        ran = self._daemons.run(stage, "run 0")
        assert ran.code == 0, ran.said
        return stage

    def kill(self, scene: str, *points: Point) -> Verdict:
        """Ends a run at the first point, the next run at the next, and so on; then one that nothing happens to."""
        stage = self._set_up(scene)
        rans = [self._broken(stage, point, f"run {n}", "signal=KILL") for n, point in enumerate(points)]
        met = all(ran.code == -9 for ran in rans)
        return self._verdict(stage, points, rans, met=met)

    def fail(self, scene: str, point: Point, error: str) -> Verdict:
        """Gives one call of a run an error. The run goes on by itself or says why it ended; then the next one."""
        stage = self._set_up(scene)
        ran = self._broken(stage, point, "run 0", f"error={error}")
        wrong = []
        if ran.code not in (0, 1) or "Traceback" in ran.said or "unexpected fault" in ran.said:
            wrong.append(Wrong("false", f"the run ended with {ran.code}"))
        elif ran.code == 1 and not ran.said.splitlines()[-1].startswith("watcher: "):
            wrong.append(Wrong("false", "the run did not say why it ended"))
        elif ran.code == 0:
            # What only a start removes may stay until then.
            wrong += [found for found in self._books(stage, point, error) if found.kind != "leftover"]
        met = any(
            point.call in line and f"-1 {error} " in line and "(INJECTED)" in line
            for line in ran.trace.decode(errors="replace").splitlines()
        )
        return self._verdict(stage, [point], [ran], met=met, wrong=wrong, error=error)

    def _set_up(self, scene: str) -> Stage:
        return self._stages.set_up(SCENES[scene], f"stage-{next(self._numbers)}")

    def _broken(self, stage: Stage, point: Point, ids: str, fault: str) -> Ran:
        inject = [*stage.scene.inject, f"{point.call}:{fault}:when={point.number}"]
        return self._daemons.run(stage, ids, paths=[stage.path_at(point.folder, point.path)], inject=inject)

    def _verdict(
        self,
        stage: Stage,
        points: Sequence[Point],
        rans: Sequence[Ran],
        *,
        met: bool,
        wrong: Sequence[Wrong] = (),
        error: str = "",
    ) -> Verdict:
        """After one more run, that nothing happens to."""
        last = self._daemons.run(stage, "last")
        wrong = [*wrong]
        if last.code:
            wrong.append(Wrong("false", f"the run after the fault ended with {last.code}"))
        wrong += self._books(stage, points[0], error)
        if not wrong:
            wrong += [Wrong("false", f"watcher verify: {finding.sentence}") for finding in findings(stage)]
        story = "\n".join([*map(str, points), *map(str, wrong), *map(_told, [*rans, last])]) if wrong else ""
        stage.remove()
        return Verdict(met, tuple(wrong), story)

    def _books(self, stage: Stage, point: Point, error: str) -> list[Wrong]:
        """A picture that may not be read has failed, and that is right so; a note that could not be removed stays."""
        unreadable = point.asks and error == "EACCES"
        found = books(stage, PICTURES, may_fail=[picture.clean for picture in PICTURES] if unreadable else [])
        note = os.fsdecode(stage.path_at(point.folder, point.path))
        return [wrong for wrong in found if not (error and note.endswith(NOTE) and wrong.what.endswith(note))]


def findings(stage: Stage) -> list[Finding]:
    """What Watcher itself says of the books."""
    return list(verify(open_home(stage.root), contents=True, pause=lambda _: None))


def _told(ran: Ran) -> str:
    return f"--- ended with {ran.code}\n{ran.said}{ran.trace.decode(errors='replace')}"
