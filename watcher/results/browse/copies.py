"""Annotated copies and thumbnails, as answers to a browser."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from datasette import NotFound, Response

from watcher.results.browse.guard import Send
from watcher.results.browse.outbox import Copy, NoCopy, Outbox
from watcher.results.browse.thumbnails import thumbnail

AT_ONCE = 2  # thumbnails that are made
BLOCK = 256 * 1024
PLACEHOLDER = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240" role="img"><title>{0}</title>
<g fill="none" stroke="#7b8794" stroke-width="3" stroke-linejoin="round" opacity=".7">
<rect x="112" y="62" width="96" height="72" rx="6"/><path d="M112 118l26-24 20 18 16-14 34 28M104 150L216 46"/></g>
<text fill="#7b8794" font-family="system-ui,sans-serif" font-size="15" text-anchor="middle">{1}</text></svg>
"""

Recorded = Callable[[int], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Whole:
    """An answer that is read while it is sent. It closes the copy."""

    copy: Copy
    headers: dict[str, str]
    pool: ThreadPoolExecutor

    def set_cookie(self, *_: object, **__: object) -> None:
        """None with a picture; Datasette may want to."""

    async def asgi_send(self, send: Send) -> None:
        try:
            headers = self.headers | {"Content-Type": self.copy.kind}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            for offset in range(0, self.copy.size, BLOCK):
                size = min(BLOCK, self.copy.size - offset)
                reading = asyncio.get_running_loop().run_in_executor(self.pool, self.copy.read, offset, size)
                await send({"type": "http.response.body", "body": await reading, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            os.close(self.copy.handle)


class Copies:
    """What the outbox has to show. `recorded` asks the database where the copy of a picture is."""

    def __init__(self, outbox: Outbox, recorded: Recorded) -> None:
        self._outbox = outbox
        self._recorded = recorded
        self._pool = ThreadPoolExecutor(AT_ONCE, "thumbnail")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def thumbnail(self, request: Any) -> Response:
        """`/thumb/ID`: a small JPEG; a drawing that says so where there is no copy."""
        recorded, size = await self._find(request)

        def make() -> Response:
            with self._outbox.copy(recorded) as copy:
                headers = {"ETag": f'"{copy.mark}-s"'}
                if request.headers.get("if-none-match") == headers["ETag"]:
                    return Response("", 304, headers)
                return Response(thumbnail(copy, size), 200, headers, "image/jpeg")

        return await self._in_thread(make)

    async def copy(self, request: Any) -> Any:
        """`/copy/ID`: the annotated copy as it is."""
        recorded, _ = await self._find(request)

        def make() -> Any:
            with self._outbox.copy(recorded) as copy:
                headers = {"ETag": f'"{copy.mark}"'}
                if request.headers.get("if-none-match") == headers["ETag"]:
                    return Response("", 304, headers)
                name = quote(os.path.basename(recorded or ""), safe="")
                headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
                headers["Content-Length"] = str(copy.size)
                if request.method == "HEAD":
                    return Response("", 200, headers, copy.kind)
                return _Whole(replace(copy, handle=os.dup(copy.handle)), headers, self._pool)

        return await self._in_thread(make)

    async def _find(self, request: Any) -> tuple[str | None, tuple[int, int] | None]:
        found = await self._recorded(int(request.url_vars["id"]))
        if found is None:
            raise NotFound("There is no such picture")
        recorded, size = found
        return recorded, size

    async def _in_thread(self, make: Callable[[], Any]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, make)
        except NoCopy as why:
            return Response(placeholder(str(why)), 404, {}, "image/svg+xml")


def placeholder(why: str) -> str:
    """A drawing of a picture that is not there, with the reason in two lines."""
    words, lines = why.split(), ["", ""]
    for word in words:
        line = 0 if len(lines[0]) + len(word) < 34 and not lines[1] else 1
        lines[line] = f"{lines[line]} {word}".strip()
    texts = "".join(
        f'<tspan x="160" y="{182 + 20 * number}">{escape(line)}</tspan>' for number, line in enumerate(lines)
    )
    return PLACEHOLDER.format(escape(why), texts)
