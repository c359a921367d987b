"""Prevents pages of other sites from using the API through a user's browser.

A service on loopback is accessible to every page in the same browser. Browsers declare the origin
of a request; other programs don't, and are accepted. A GET changes nothing, but may be expensive,
such as an export, and other pages can't read its answer anyway.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core.errors import ForeignPage
from shared.web import problem
from shared.web.guards import passed

# `none`: the user made the request, for example by typing the address.
_OWN_PAGE = frozenset({"same-origin", "none"})


FOREIGN_PAGE = "A page of another address may not use this API. Open this service's own page."
_API = "/v1/"


class OriginMiddleware:
    """Refuses a request that comes from a page of another site.

    A link to the service's own page is followed from anywhere.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_harmless(scope) or not _is_foreign(scope):
            passed(scope, type(self))
            await self.app(scope, receive, send)
            return
        error = ForeignPage(FOREIGN_PAGE)
        await problem.refuse(error, scope)(scope, receive, send)


def _is_harmless(scope: Scope) -> bool:
    # A preflight request gets no permission, so it needs no check.
    reads = scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(_API)
    return reads or scope["method"] == "OPTIONS"


def _is_foreign(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        # A page on another port of this machine is same-site, but not ours.
        return site not in _OWN_PAGE
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc != headers.get("host")
