"""Small servers with the routes of immich and PhotoPrism, after their public API descriptions."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "secret-key"
Answer = tuple[int, bytes]


@dataclass
class Application:
    """What it holds, and what it was asked."""

    url: str = ""
    assets: list[dict[str, Any]] = field(default_factory=list)
    albums: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)
    page: int = 2
    """Most that it answers at once."""
    busy: int = 0
    """Calls that are yet to be refused with 503."""


def immich(held: Application, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
    """`POST /search/metadata`, `GET /albums`, `/tags` and `/assets/{id}/original`."""
    if (method, path) == ("GET", "/api/albums"):
        return _json([{"id": f"album-{name}", "albumName": name} for name in held.albums])
    if (method, path) == ("GET", "/api/tags"):
        return _json([{"id": f"tag-{n}", "name": n, "value": f"top/{n}"} for n in held.tags])
    if (method, path) == ("POST", "/api/search/metadata"):
        found = held.assets
        if ids := body.get("albumIds"):
            found = [a for a in found if a["id"] in held.albums[ids[0].removeprefix("album-")]]
        if ids := body.get("tagIds"):
            found = [a for a in found if a["id"] in held.tags[ids[0].removeprefix("tag-")]]
        start = (body["page"] - 1) * held.page
        page = found[start : start + held.page]
        following = str(body["page"] + 1) if start + held.page < len(found) else None
        return _json({"assets": {"items": page, "nextPage": following}, "albums": {}})
    if method == "GET" and path.startswith("/api/assets/") and path.endswith("/original"):
        return _file(held, path.split("/")[3])
    return 404, b"{}"


def photoprism(
    held: Application, method: str, path: str, query: dict[str, str], body: Any
) -> Answer:
    """`GET /config`, `/photos`, `/photos/{uid}`, `/albums` and `/dl/{hash}`."""
    offset, count = int(query.get("offset", 0)), int(query.get("count", 0))
    if path == "/api/v1/config":
        return _json({"downloadToken": "token"})
    if path == "/api/v1/albums":
        albums = [{"UID": f"a{name}", "Title": name} for name in held.albums]
        return _json(albums[offset : offset + count])
    if path == "/api/v1/photos":
        chosen = held.assets
        if album := query.get("s", "").removeprefix("a"):
            chosen = [one for one in chosen if one["UID"] in held.albums[album]]
        brief = [{k: v for k, v in one.items() if k not in ("Labels", "Details")} for one in chosen]
        return _json(brief[offset : offset + count])
    if path.startswith("/api/v1/photos/"):
        return _json(next(one for one in held.assets if one["UID"] == path.split("/")[4]))
    if path.startswith("/api/v1/dl/") and query.get("t") == "token":
        return _file(held, path.split("/")[4])
    return 404, b"{}"


def _json(value: Any) -> Answer:
    return 200, json.dumps(value).encode()


def _file(held: Application, name: str) -> Answer:
    held.downloads.append(name)
    return (200, held.files[name]) if name in held.files else (404, b"{}")


@contextmanager
def running(route: Callable[..., Answer]) -> Iterator[Application]:
    """Serve an application until the block ends; calls without its key are refused."""
    held = Application()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            keys = (self.headers.get("x-api-key"), self.headers.get("Authorization"))
            if KEY not in keys and f"Bearer {KEY}" not in keys:
                status, data = 401, b"{}"
            elif held.busy:
                held.busy -= 1
                status, data = 503, b"{}"
            else:
                status, data = route(held, self.command, asked.path, query, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
