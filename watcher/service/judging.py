"""From what was read to outcomes: content that was seen before is looked up, the rest goes to the model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from watcher.intake.names import clean
from watcher.service.apart import classify_apart
from watcher.service.publishing import version_of
from watcher.service.watch import Timing, untimed
from watcher.service.work import Changed, Judged, Vanished
from watcher.vision.outcome import Classified, Failed, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.results import Database, ModelVersion
    from watcher.service.work import Read

# Contents remembered from batches that may not be recorded yet.
REMEMBERED = 4096


class _Earlier(NamedTuple):
    outcome: Classified | Failed
    path: str


class Judge:
    """Classifies batches that all go to one model."""

    def __init__(self, database: Database, *, reuse: bool, timing: Timing = untimed) -> None:
        self._database = database
        self._timing = timing
        self._reuse = reuse
        self._recent: OrderedDict[tuple[str, ModelVersion], _Earlier] = OrderedDict()

    def __call__(self, batch: Sequence[Read]) -> list[Judged]:
        """One outcome for each picture, in order. Raises DatabaseUnavailable and EngineFault."""
        known = self._known(batch)
        new: dict[str | int, Read] = {}
        for place, read in enumerate(batch):
            if isinstance(read.content, Picture) and not self._settled(read, known):
                new.setdefault(read.sha256 if self._reuse and read.sha256 else place, read)
        outcomes = self._classify(list(new.values()))
        fresh = {id(read): outcome for read, outcome in zip(new.values(), outcomes, strict=True)}
        return [self._judge(read, known, fresh) for read in batch]

    def _classify(self, reads: Sequence[Read]) -> list[Classified | Failed]:
        pixels = [read.content.pixels for read in reads if isinstance(read.content, Picture)]
        if not pixels:
            return []
        with self._timing("classifying", len(pixels)):
            return classify_apart(reads[0].taken.vision, pixels)

    def _judge(self, read: Read, known: dict[str, _Earlier], fresh: dict[int, Classified | Failed]) -> Judged:
        if isinstance(read.content, (Failed, Vanished)):
            return Judged(read, read.content)
        if isinstance(read.content, Changed):
            raise TypeError("a picture that is still being written has no outcome")
        if outcome := fresh.get(id(read)):
            if earlier := known.get(read.sha256 or ""):
                known[read.sha256 or ""] = earlier = self._warmed(read, earlier, outcome)
                return Judged(read, earlier.outcome, same_as=earlier.path)
            if self._reuse and read.sha256:
                known[read.sha256] = self._remember(read, outcome)
            return Judged(read, outcome)
        earlier = known[read.sha256 or ""]
        return Judged(read, earlier.outcome, same_as=earlier.path)

    @staticmethod
    def _settled(read: Read, known: dict[str, _Earlier]) -> bool:
        """Whether the model need not be asked. Rows hold no heat, so where that is wanted it is."""
        earlier = known.get(read.sha256 or "")
        if earlier is None or isinstance(earlier.outcome, Failed):
            return earlier is not None
        return earlier.outcome.heat is not None or not read.taken.vision.tells_heat

    def _warmed(self, read: Read, earlier: _Earlier, now: Classified | Failed) -> _Earlier:
        """What was said before, with the heat of now."""
        if isinstance(now, Failed) or isinstance(earlier.outcome, Failed):
            return earlier
        return self._keep(read, earlier._replace(outcome=replace(earlier.outcome, heat=now.heat)))

    def _known(self, batch: Sequence[Read]) -> dict[str, _Earlier]:
        """What this very version has said of these contents before."""
        if not self._reuse:
            return {}
        version = version_of(batch[0].taken.vision)
        contents = {read.sha256 for read in batch if isinstance(read.content, Picture) and read.sha256}
        known = {sha256: found for sha256 in contents if (found := self._recent.get((sha256, version)))}
        recorded = self._database.classified(contents - known.keys(), version)
        for sha256, row in recorded.items():
            predictions = tuple((prediction.label, prediction.score) for prediction in row.predictions)
            known[sha256] = _Earlier(Classified(predictions), row.path)
        return known

    def _remember(self, read: Read, outcome: Classified | Failed) -> _Earlier:
        """What the model stumbled over is remembered for its batch alone."""
        earlier = _Earlier(outcome, clean(read.claim.path))
        if isinstance(outcome, Failed):
            return earlier
        return self._keep(read, earlier)

    def _keep(self, read: Read, earlier: _Earlier) -> _Earlier:
        self._recent[read.sha256 or "", version_of(read.taken.vision)] = earlier
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return earlier
