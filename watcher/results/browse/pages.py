"""The pages that Datasette lacks: what each is asked for, and what it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from datasette import NotFound, Response
from datasette.utils.asgi import BadRequest

from watcher.results.browse import asked as asking
from watcher.results.browse import dashboard, gallery, picture, runs
from watcher.results.browse.asked import Asked, BadQuestion
from watcher.results.browse.questions import Questions
from watcher.results.browse.site import DATABASE, Site

ASSETS = Path(__file__).parent / "static"
STATES = ("done", "duplicate", "failed", "vanished", "superseded")

View = Callable[..., Awaitable[Any]]


class Pages:
    """The gallery, the page of a picture, the dashboard and the runs of jobs."""

    def __init__(self, site: Site, questions: Questions) -> None:
        self._site = site
        self._questions = questions
        content = b"".join(path.read_bytes() for path in sorted(ASSETS.iterdir()))
        self._always = {"db": DATABASE, "assets": hashlib.sha256(content).hexdigest()[:8], "states": STATES}

    async def gallery(self, datasette: Any, request: Any) -> Response:
        asked, after, before = self._asked(request)
        found = await self._questions.ask(gallery.gallery, asked, after, before)
        return await self._show(
            datasette,
            request,
            "gallery",
            asked=asked,
            chips=list(asked.chips()),
            found=found,
            orders=asking.ORDERS,
            shown=gallery.SHOWN,
            routes=self._site.routes,
            default_model=self._site.default_model,
        )

    async def picture(self, datasette: Any, request: Any) -> Response:
        image = int(request.url_vars["id"])
        asked, _, _ = self._asked(request)
        found = await self._questions.ask(picture.picture, image)
        if found is None:
            raise NotFound("There is no such picture.")
        before, after = await self._questions.ask(gallery.neighbours, asked, image)
        return await self._show(
            datasette, request, "picture", found=found, row=found.row, asked=asked, before=before, after=after
        )

    async def dashboard(self, datasette: Any, request: Any) -> Response:
        model, days = request.args.get("model") or "", dashboard.DAYS[1]
        with suppress(ValueError):
            days = min(dashboard.DAYS, key=lambda known: abs(known - int(request.args.get("days") or days)))
        found = await self._questions.ask(dashboard.dashboard, model, days)
        return await self._show(
            datasette, request, "dashboard", found=found, model=model, days=days, all_days=dashboard.DAYS
        )

    async def runs(self, datasette: Any, request: Any) -> Response:
        found = await self._questions.ask(runs.jobs)
        return await self._show(datasette, request, "runs", found=found)

    async def fault(self, datasette: Any, request: Any, status: int, title: str, said: str) -> Response:
        """A page that says what is not possible, and where to go from there."""
        return await self._show(datasette, request, "fault", status=status, title=title, said=said)

    def _asked(self, request: Any) -> tuple[Asked, int | None, int | None]:
        given = {name: request.args.get(name) or "" for name in request.args}
        try:
            return Asked.of(given), asking.whole(given.get("after", "")), asking.whole(given.get("before", ""))
        except BadQuestion as fault:
            raise BadRequest(f"{fault}.") from None

    async def _show(self, datasette: Any, request: Any, page: str, status: int = 200, **values: Any) -> Response:
        context = self._always | values | {"page": page, "status": status}
        html = await datasette.render_template(f"watcher_{page}.html", context, request=request, view_name=page)
        return Response.html(html, status=status)
