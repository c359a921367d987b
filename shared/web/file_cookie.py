"""Short-lived cookies by which a browser's player or download reads one file.

An element of a page can't send a key, and a key or a token in a URL ends up in histories and in the
logs of proxies. So a page that has a key asks for a cookie: signed, for the path of one file, for
reading, for ten minutes, out of reach of scripts. It is as good as the key that it was made with:
if that is removed, replaced or loses its scope, the cookie is void.
"""

import hmac
import time
from collections.abc import Iterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope as Connection

from shared.web.callers import Caller, address_of, caller_of
from shared.web.keys import Key, KeyRing, Scope

NAME = "ise_file"
SECONDS = 600
"""Lifetime of a cookie."""
_MOST_LOOKED_AT = 8
_METHODS = frozenset({"GET", "HEAD"})


def set_cookie(request: Request, response: Response, keys: KeyRing) -> None:
    """Allow the caller's browser to read the file one level above the request's path.

    A service without keys needs no cookie.
    """
    label = caller_of(request.scope).label
    key = keys.labelled(label) if label is not None else None
    if key is None:
        return
    path = request.scope["path"].rpartition("/")[0]
    expires = str(int(time.time()) + SECONDS)
    # Behind a proxy that ends TLS, only the browser's own word says so.
    origin = request.headers.get("origin", "")
    response.set_cookie(
        NAME,
        f"{expires}:{_signature(keys, key, expires, path)}:{key.label}",
        max_age=SECONDS,
        # The browser's default: all that lies at and below the level above, as it is written in
        # the URL that the browser knows.
        path=None,
        secure=request.url.scheme == "https" or origin.startswith("https://"),
        httponly=True,
        samesite="strict",
    )


def caller_by_cookie(scope: Connection, keys: KeyRing) -> Caller | None:
    """Return the caller of a request for a file that a cookie is good for, or None."""
    if scope["method"] not in _METHODS:
        return None
    for value in _values(scope):
        expires, _, rest = value.partition(":")
        signature, _, label = rest.partition(":")
        key = keys.labelled(label)
        if key is None or Scope.READ not in key.scopes:
            continue
        right = _signature(keys, key, expires, scope["path"])
        is_right = hmac.compare_digest(signature.encode(), right.encode())
        if is_right and time.time() < int(expires):
            return Caller(key.label, frozenset({Scope.READ}), address_of(scope))
    return None


def _values(scope: Connection) -> Iterator[str]:
    """Yield the cookies of this name, of which a browser sends the longest path's first."""
    found = 0
    for header in Headers(scope=scope).getlist("cookie"):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == NAME and found < _MOST_LOOKED_AT:
                found += 1
                yield value


def _signature(keys: KeyRing, key: Key, expires: str, path: str) -> str:
    # The path comes last, as it may contain anything.
    signed = "\n".join((expires, key.label, key.digest.hex(), path))
    return hmac.new(keys.secret, signed.encode(errors="surrogateescape"), "sha256").hexdigest()
