"""A small archive laid out as the malaria set's is, and a host of it that can be as bad as the internet."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import homes

LABELS = {"Parasitized": "red", "Uninfected": "blue"}
SLIDES = (1, 33, 204)


def cells(each: int = 3) -> dict[str, bytes]:
    """The members of a sound archive: `each` cells a label and slide, and the by-products of the true one."""
    found = {"cell_images/": b"", "cell_images/Parasitized/": b""}
    for label, colour in LABELS.items():
        found[f"cell_images/{label}/Thumbs.db"] = b"thumbs"
        for slide in SLIDES:
            for number in range(each):
                name = f"C{slide}P{slide}ThinF_IMG_20150604_104722_cell_{number}.png"
                found[f"cell_images/{label}/{name}"] = homes.picture(colour, 100 * slide + number)
    found["__MACOSX/cell_images/Parasitized/._C1.png"] = b"mac"
    found["cell_images/Parasitized/._C1P1.png"] = b"mac"
    return found


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def check(folder: Path, members: Mapping[str, bytes] | None = None) -> None:
    """The folder holds the pictures of the archive, byte for byte, and nothing else."""
    wanted = {
        name.removeprefix("cell_images/"): data
        for name, data in (members or cells()).items()
        if re.fullmatch(r"cell_images/\w+/C.*\.png", name)
    }
    assert {name: (folder / name).read_bytes() for name in homes.paths(folder)} == wanted


@dataclass
class Host:
    """Sends `data`, in ways that each test sets."""

    data: bytes
    etag: str | None = '"1"'
    modified: str | None = "Mon, 01 Oct 2018 12:00:00 GMT"
    ranges: bool = True  # heeds Range
    heeds_if_range: bool = True
    says_length: bool = True
    more: int = 0  # bytes that it announces and has not
    breaks_after: list[int] = field(default_factory=list)  # bytes of the body, request by request
    stalls: bool = False  # says no more instead of breaking off
    statuses: list[int] = field(default_factory=list)  # instead of an answer, request by request
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            request.send_error(status)
            return
        changed = request.headers.get("If-Range", self.etag or self.modified) not in (self.etag, self.modified)
        start, total = 0, len(self.data) + self.more
        if wanted and self.ranges and not (changed and self.heeds_if_range):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{total}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            request.send_response(200)
        self._send(request, start, total)

    def _send(self, request: BaseHTTPRequestHandler, start: int, total: int) -> None:
        headers = {"ETag": self.etag, "Last-Modified": self.modified}
        for name, value in headers.items():
            if value:
                request.send_header(name, value)
        if self.says_length:
            request.send_header("Content-Length", str(total - start))
        request.end_headers()
        rest = self.data[start:]
        if not self.breaks_after:
            request.wfile.write(rest)
            return
        request.wfile.write(rest[: self.breaks_after.pop(0)])
        if self.stalls:
            request.rfile.read(1)  # until the other side has had enough


@contextmanager
def hosted(host: Host) -> Iterator[Host]:
    """Serves on the loopback while the block runs, and tells `host` its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that they are waited for
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        host.url = f"http://127.0.0.1:{server.server_port}/cell_images.zip"
        try:
            yield host
        finally:
            server.shutdown()
