"""The web page: its files, read once from the package, and the headers that fence them in."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePath

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # No text becomes markup or script, not even by mistake.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

# The views, each a document of its own.
# `/collection` is what bookmarks of older versions hold.
_DOCUMENTS = {"/": "index.html", "/manage": "manage.html", "/collection": "manage.html"}

# Not left to `mimetypes`, which reads the machine's settings: with `nosniff`, a script of the
# wrong type is not run.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


_FRAME = re.compile(r" *<!-- (frame_\w+\.html)(?: (\w+))? -->\n")
"""The place of a part that documents share, and the view that its links lead to."""


@dataclass(frozen=True)
class PageFile:
    """A file of the page as it is sent. `etag` follows its content, whatever the file's time."""

    body: bytes
    media_type: str
    etag: str


@cache
def _files() -> dict[str, PageFile]:
    """The page's files by name, read once."""
    folder = resources.files("services.query") / "page"
    files = {}
    for entry in folder.iterdir():
        media_type = _MEDIA_TYPES.get(PurePath(entry.name).suffix)
        if media_type is not None:
            body = entry.read_bytes()
            if entry.name.endswith(".html"):
                body = _framed(body.decode(), folder).encode()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            files[entry.name] = PageFile(body, media_type, etag)
    return files


def _framed(document: str, folder: Traversable) -> str:
    """Fill in the parts that documents share, and mark the link to the view itself."""

    def part(place: re.Match[str]) -> str:
        text = (folder / place[1]).read_text(encoding="utf-8")
        own = f'data-view="{place[2]}"'
        return text.replace(own, f'{own} aria-current="page"')

    return _FRAME.sub(part, document)


def open_paths() -> frozenset[str]:
    """Return the paths that need no key: the page must be there before it can ask for a key."""
    return frozenset({*_DOCUMENTS, *(f"/page/{name}" for name in _files())})


def install(app: FastAPI) -> None:
    """Serves the page's views at their paths and its files under `/page/`."""

    def document(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            return _respond(request, _files()[name])

        return respond

    async def file(request: Request) -> Response:
        found = _files().get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "The page has no file of this name.")
        return _respond(request, found)

    for path, name in _DOCUMENTS.items():
        app.add_route(path, document(name), methods=["GET"], include_in_schema=False)
    app.add_route("/page/{name}", file, methods=["GET"], include_in_schema=False)


def _respond(request: Request, file: PageFile) -> Response:
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "ETag": file.etag,
    }
    if _matches(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


def _matches(if_none_match: str, etag: str) -> bool:
    """A proxy that compresses turns an entity tag into a weak one; it is the same file still."""
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in given or "*" in given
