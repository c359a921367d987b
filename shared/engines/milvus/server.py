"""The connection to a Milvus server; its errors become ours."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.core.errors import Corrupt, Misconfigured, Unavailable
from shared.engines.engine import Refused

SECONDS = 30.0
_CONNECT_S = 2.0
_RETRY_S = 5
# After a failed connection, fail at once for this long.
_PAUSE_S = 1.0
# Milvus's codes for an unknown collection, and for one that isn't loaded.
_UNKNOWN, _NOT_LOADED = 100, 101
# Milvus's codes for refused requests.
_REFUSED = (1, 5, 6, 7, 1100)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_MANY_VECTORS = (2, 4)
# Texts of refusals to which Milvus 2.3 gives the code of any error.
_REFUSAL = ("invalid index type",)
# Texts of temporary errors, which have the same codes.
_PASSING = ("closed channel", "not ready", "initializ", "unavailable", "quota", "limit exceeded")


class NotLoaded(Unavailable):
    """A collection is on disk only."""


class Milvus:
    """Connects when it is first asked, and anew after it was away. Safe to use by many threads."""

    def __init__(self, uri: str, token: str = "") -> None:
        self.uri = uri
        self._token = token
        self._client: Any = None
        self._failed = float("-inf")
        self._many_vectors: bool | None = None
        self._lock = threading.Lock()

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """The client. Raises Unavailable where Milvus can't be reached, Refused where it can't do
        what is asked, Corrupt where a collection is gone, NotLoaded."""
        client = self._connected()
        # Optional dependencies, which are installed if there is a client.
        from grpc import RpcError
        from pymilvus.exceptions import MilvusException

        try:
            yield client
        except (MilvusException, RpcError) as error:
            code, why = getattr(error, "code", None), getattr(error, "message", str(error))
            if code == _NOT_LOADED:
                raise NotLoaded(f"A collection of Milvus isn't loaded: {why}") from error
            if code == _UNKNOWN:
                raise Corrupt(
                    f"Milvus at {self.uri} lacks data of the snapshot: {_told(why)}. `ise "
                    "build` restores it from the stored features."
                ) from error
            is_refused = code in _REFUSED or any(text in why for text in _REFUSAL)
            if is_refused and not any(word in why.lower() for word in _PASSING):
                raise Refused(f"Milvus at {self.uri} refuses: {_told(why)}.") from error
            self._forget(client)
            raise self._away(why) from error

    def has_many_vectors(self) -> bool:
        """Tell whether a collection may have several vector fields, as from Milvus 2.4 on.

        Raises as `asked`.
        """
        if self._many_vectors is None:
            with self.asked() as client:
                version = str(client.get_server_version())
            numbers = _VERSION.match(version)
            # One that tells another kind of version is a newer one.
            self._many_vectors = (
                numbers is None or (int(numbers[1]), int(numbers[2])) >= _MANY_VECTORS
            )
        return self._many_vectors

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is not None:
                return self._client
            if time.monotonic() - self._failed < _PAUSE_S:
                raise self._away("it was not there a moment ago")
            try:
                self._client = _client(self.uri, self._token)
            except Unavailable as error:
                self._failed = time.monotonic()
                raise self._away(error.detail) from error
            return self._client

    def _forget(self, client: Any) -> None:
        # Don't close it, because another thread may be waiting for its answer.
        with self._lock:
            if self._client is client:
                self._client = None
                # It may come back as another version.
                self._many_vectors = None

    def _away(self, why: str) -> Unavailable:
        return Unavailable(
            f"Milvus at {self.uri} doesn't answer: {_told(why)}. Start it, or set "
            "ISE_MILVUS_URI to its address.",
            retry_after=_RETRY_S,
        )


def _told(why: str) -> str:
    return why.strip().strip("<>").rstrip(".")


def _client(uri: str, token: str) -> Any:
    if not uri:
        raise Misconfigured(
            "The collection is in Milvus, but ISE_MILVUS_URI is not set. Set it to "
            "the address of Milvus."
        )
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise Misconfigured(
            "Milvus needs a package that isn't installed: pip install 'image-search-engine[milvus]'"
        ) from error
    # pymilvus logs every refused call with a traceback; our errors say what was refused, and why.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    try:
        # A shared connection would stay closed after a failure.
        return MilvusClient(uri, token=token, timeout=_CONNECT_S, dedicated=True)
    except MilvusException as error:
        raise Unavailable(error.message) from error
