"""Calls of another application's web API, whose faults become sentences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

import httpx

from shared.core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from shared.importing.library import MOST_BYTES

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_ATTEMPTS = 3
_MOST_JSON = 2**28
_BUSY = (429, 502, 503, 504)


class WebApi:
    """API at an address, with a key in a header.

    Follows no redirect: the key goes to no other host.
    """

    def __init__(self, where: str, application: str, headers: Mapping[str, str]) -> None:
        """Raises InvalidInput for what is no web address."""
        try:
            url = httpx.URL(where)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"`{where}` is no address of {application}: https://photos.example")
        self.where = str(url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")
        self._application = application
        transport = httpx.HTTPTransport(retries=_ATTEMPTS)
        self._client = httpx.Client(headers=dict(headers), timeout=_TIMEOUT, transport=transport)

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def get(self, path: str, **params: str | int) -> Any:
        """Return the JSON at a path. Raises as `bytes_of`."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that a search answers. Raises as `bytes_of`."""
        return self._json("POST", path, json=body)

    def bytes_of(self, path: str, most: int = MOST_BYTES, **params: str) -> bytes:
        """Return a file. Raises NotFound, TooLarge, Unauthorized, Forbidden, Unavailable.

        NotFound, too, where the application fails over this file, as others may be whole.
        """
        return self._send("GET", path, most, of_file=True, params=params)

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Raise Unavailable for answers that lack what is read from them within the block."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise Unavailable(
                f"{self.where} answers otherwise than {self._application} does "
                f"({type(error).__name__}: {error}); is it of a version that can be imported from?"
            ) from error

    def _json(self, method: str, path: str, **options: Any) -> Any:
        data = self._send(method, path, _MOST_JSON, **options)
        try:
            return httpx.Response(200, content=data).json()
        except (JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise Unavailable(
                f"{self.where}{path} answers no JSON; is this the address of {self._application}?"
            ) from None

    def _send(
        self, method: str, path: str, most: int, of_file: bool = False, **options: Any
    ) -> bytes:
        url = f"{self.where}{path}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._client.stream(method, url, **options) as response:
                    if response.status_code in _BUSY and attempt < _ATTEMPTS:
                        continue
                    self._check(response, url, of_file)
                    return _read(response, url, most)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS:
                    raise Unavailable(
                        f"{self.where} doesn't answer ({type(error).__name__}). Run the import "
                        "again later; it goes on where it ended."
                    ) from error
        raise AssertionError("the last attempt returns or raises")

    def _check(self, response: httpx.Response, url: str, of_file: bool) -> None:
        status = response.status_code
        if status == httpx.codes.UNAUTHORIZED:
            raise Unauthorized(
                f"{self._application} refuses the key. Make one in its settings, and set it as "
                "ISE_IMPORT_KEY."
            )
        if status == httpx.codes.FORBIDDEN:
            raise Forbidden(f"{self._application} doesn't let this key read {url}.")
        if status == httpx.codes.NOT_FOUND:
            raise NotFound(f"{self._application} has nothing at {url}.")
        if not response.is_success and of_file and status not in _BUSY:
            raise NotFound(f"{self._application} answers {status} at {url}.")
        if not response.is_success:
            raise Unavailable(f"{self._application} answers {status} at {url}.")


def _read(response: httpx.Response, url: str, most: int) -> bytes:
    found = bytearray()
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > most:
            raise TooLarge(f"{url} is over the limit of {most / 2**20:g} MiB.")
    return bytes(found)
