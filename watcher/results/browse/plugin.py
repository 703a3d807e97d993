"""How Datasette comes by our pages: its hooks, as one object that holds what they need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from datasette import NotFound, Response, hookimpl
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, Forbidden
from datasette.views.base import DatasetteError
from markupsafe import Markup

from watcher.errors import WatcherError
from watcher.results.browse import words
from watcher.results.browse.copies import Copies
from watcher.results.browse.guard import App, guarded
from watcher.results.browse.pages import Pages
from watcher.results.browse.site import DATABASE, CannotOpen, TooLarge, TooSlow
from watcher.results.browse.tabular import with_harmless_csv

# Datasette's pages for those who run it, of which some tell of paths and threads, and none is of use here.
CLOSED = r"/-/(databases|threads|auth-token|logout|messages|permissions|allow-debug|patterns)(\.json)?$"
LINKS = {"/": "Gallery", "/dashboard": "Dashboard", "/runs": "Job runs"}
Function = TypeVar("Function", bound=Callable[..., Any])
WITH_PICTURES = ("results", "images", "changed_labels")


def _hook(function: Function) -> Function:
    """A hook of Datasette's, which says nothing of types."""
    return cast("Function", hookimpl(function))


class Plugin:
    """What Datasette calls. `where` is the database's file as faults name it, which is no page's business.
    `names`: what alone it may be asked as.
    """

    __name__ = "watcher"  # as Datasette lists it

    def __init__(self, pages: Pages, copies: Copies, *, names: Sequence[str] | None, where: str) -> None:
        self._pages = pages
        self._copies = copies
        self._names = names
        self._where = where

    @_hook
    def prepare_jinja2_environment(self, env: Any) -> None:
        env.filters.update(words.FILTERS)

    @_hook
    def register_routes(self) -> list[tuple[str, Callable[..., Any]]]:
        return [
            (CLOSED, _closed),
            (r"/$", self._pages.gallery),
            (r"/dashboard$", self._pages.dashboard),
            (r"/runs$", self._pages.runs),
            (r"/picture/(?P<id>[0-9]{1,18})$", self._pages.picture),
            (r"/thumb/(?P<id>[0-9]{1,18})$", self._copies.thumbnail),
            (r"/copy/(?P<id>[0-9]{1,18})$", self._copies.copy),
        ]

    @_hook
    def asgi_wrapper(self) -> Callable[[App], App]:
        return lambda app: guarded(with_harmless_csv(app), names=self._names)

    @_hook
    def extra_css_urls(self) -> list[str]:
        return ["/assets/datasette.css"]

    @_hook
    def menu_links(self) -> list[dict[str, str]]:
        return [{"href": address, "label": label} for address, label in LINKS.items()]

    @_hook
    def render_cell(self, row: Any, value: Any, column: str, table: str | None, database: str) -> Markup | None:
        """The number of a picture becomes its thumbnail, and leads to its page."""
        names = row.keys()
        if database != DATABASE or column != "id" or not isinstance(value, int):
            return None
        if table not in WITH_PICTURES and not {"name", "path"} & set(names):
            return None
        image = Markup("")
        if "outbox_path" not in names or row["outbox_path"]:
            of = words.tidy(next((row[name] for name in ("name", "path") if name in names), value), 80)
            image = Markup('<img src="/thumb/{}" alt="{}" loading="lazy" width="96" height="72">').format(value, of)
        return Markup('<a class="watcher-picture" href="/picture/{0}">{1}{0}</a>').format(value, image)

    @_hook
    def handle_exception(self, datasette: Any, request: Any, exception: Exception) -> Any:
        status, title, said, more = self._told(request, exception)
        if request.path.split("?")[0].endswith(".json"):
            return Response.json(more | {"ok": False, "error": said, "status": status, "title": title}, status)
        return self._pages.fault(datasette, request, status, title, said)

    def _told(self, request: Any, exception: Exception) -> tuple[int, str, str, dict[str, Any]]:
        """The status, a title, a sentence, and what more Datasette says of it to programs."""
        if isinstance(exception, NotFound):
            said = "" if exception.args[:1] in {(), ("404",)} else str(exception.args[0])
            return 404, "Not here", said or "There is no such page.", {}
        if isinstance(exception, Forbidden | Base400):
            return exception.status, "That cannot be", str(exception.args[0]), {}
        if isinstance(exception, TooSlow | QueryInterrupted):
            said = "Choose a label, a group or a shorter time."
            return 503, "This would take too long", said, {}
        if isinstance(exception, TooLarge):
            return 400, "This would be too large", str(exception), {}
        if isinstance(exception, DatasetteError):
            said = str(exception.message)
            plain = Markup(said).striptags() if exception.message_is_html else said  # noqa: S704  (no tag is left of it)
            return exception.status, exception.title or "That cannot be", plain, dict(exception.error_dict)
        if isinstance(exception, WatcherError):
            said = str(CannotOpen.of(exception) or exception).replace(self._where, "watcher.db")
            return 503, "The results cannot be read at the moment", f"{said[:1].upper()}{said[1:]}.", {}
        sys.stderr.write(f"watcher: a page failed, {type(exception).__name__}: {words.tidy(exception)}\n")
        return 500, "This page failed", "Where `watcher browse` was started it says why.", {}


def _closed() -> Response:
    raise NotFound("404")
