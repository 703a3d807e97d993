"""Which of the pictures that were seen are to be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.service.kept import not_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.intake.arrivals import Seen
    from watcher.results import Database
    from watcher.service.bench import Bench
    from watcher.service.routes import Routes


class Wanted:
    """Picks, from pictures that were seen, those to be taken: their model is ready and they are not done already."""

    def __init__(self, routes: Routes, bench: Bench, kept_in: Database | None) -> None:
        self._routes = routes
        self._bench = bench
        self._kept_in = kept_in

    def __call__(self, pictures: Sequence[Seen]) -> Iterable[Seen]:
        wanted = pictures if self._kept_in is None else not_kept(pictures, self._kept_in)
        return [seen for seen in wanted if self._bench.vision(self._routes.model_of(seen.path))]
