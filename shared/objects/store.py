"""Object stores, by fsspec: `s3://`, and others that are named in ISE_SOURCE_PROTOCOLS."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from shared.core.errors import Misconfigured, TooLarge, Unavailable
from shared.objects.address import Address
from shared.objects.file import FarFile, Stamp, StoredFile, signed

_CONNECT_S, _READ_S, _ATTEMPTS = 10, 30, 2
# Names of the time of change in the listings of different stores.
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified")
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c")


class Objects:
    """Reads and writes objects, from many threads.

    Raises OSError for errors of one object or bucket, Unavailable if the store doesn't answer.
    """

    def __init__(self, s3_endpoint: str = "") -> None:
        self._endpoint = s3_endpoint
        self._systems: dict[str, Any] = {}
        self._lock = threading.Lock()

    def list(self, address: Address) -> Iterator[tuple[Address, Stamp]]:
        """Yield every object below an address, in no particular order.

        Raises FileNotFoundError if there is no such bucket, or nothing below the address.
        """
        folder = f"{address.path}/"
        with _translated_errors(address):
            found = self._system(address).find(folder, detail=True)
        if not found and not self._exists(address):
            raise FileNotFoundError(2, "there is nothing below it", str(address))
        for path, info in found.items():
            if path.startswith(folder) and not path.endswith("/"):
                yield Address(address.protocol, path), _stamp(info)

    def look(self, address: Address) -> Stamp:
        """Raises FileNotFoundError."""
        with _translated_errors(address):
            return _stamp(self._system(address).info(address.path))

    def read(self, address: Address, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of an object from `start` to before `end`."""
        with _translated_errors(address):
            return bytes(self._system(address).cat_file(address.path, start=start, end=end))

    def read_whole(self, address: Address, most: int) -> bytes:
        """Raises TooLarge."""
        # A range takes one request for any size; without one, the size is requested first.
        data = self.read(address, 0, most + 1)
        if len(data) > most:
            raise TooLarge(f"{address} is over the limit of {most / 2**20:g} MiB.")
        return data

    def file(self, address: Address, listed: Stamp | None = None) -> FarFile:
        """Return a file. `listed`: its stamp from a listing."""

        def fetch(most: int) -> bytes:
            # An empty object has no range.
            return b"" if listed and not listed.bytes else self.read_whole(address, most)

        def pieces() -> StoredFile:
            size = (listed or self.look(address)).bytes
            return StoredFile(str(address), size, lambda a, b: self.read(address, a, b))

        return FarFile(str(address), fetch, lambda: self.look(address), listed, pieces)

    def write(self, address: Address, data: bytes) -> None:
        """The object is there whole when this returns, or as it was before."""
        with _translated_errors(address):
            self._system(address).pipe_file(address.path, data)

    def put(self, path: Path, address: Address) -> None:
        """A file of this machine as an object, whatever its size."""
        with _translated_errors(address):
            self._system(address).put_file(str(path), address.path)

    def get(self, address: Address, path: Path) -> None:
        """An object as a file of this machine. Raises FileNotFoundError."""
        with _translated_errors(address):
            self._system(address).get_file(address.path, str(path))

    def move(self, address: Address, to: Address) -> None:
        """Copies, then deletes. Raises FileNotFoundError."""
        with _translated_errors(address):
            system = self._system(address)
            system.cp_file(address.path, to.path)
            system.rm_file(address.path)

    def remove(self, address: Address) -> None:
        """Remove an object; a missing one is no error."""
        with _translated_errors(address):
            try:
                self._system(address).rm_file(address.path)
            except FileNotFoundError:
                return

    def _exists(self, address: Address) -> bool:
        """Return whether the bucket exists, even if it is empty."""
        bucket = address.path.partition("/")[0]
        with _translated_errors(address):
            return bucket == address.path and bool(self._system(address).exists(bucket))

    def _system(self, address: Address) -> Any:
        with self._lock:
            if address.protocol not in self._systems:
                self._systems[address.protocol] = self._opened(address.protocol)
            return self._systems[address.protocol]

    def _opened(self, protocol: str) -> Any:
        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if protocol == "s3":
            options |= {
                "endpoint_url": self._endpoint or None,
                "config_kwargs": {
                    "connect_timeout": _CONNECT_S,
                    "read_timeout": _READ_S,
                    "retries": {"max_attempts": _ATTEMPTS},
                    "max_pool_connections": 64,
                },
            }
        try:
            return import_module("fsspec").filesystem(protocol, **options)
        except ImportError as error:
            extra = "s3" if protocol == "s3" else protocol
            raise Misconfigured(
                f"{protocol}:// needs a package that is not installed ({error.name or error}). "
                + (
                    "Install the extra `s3`: pip install 'image-search-engine[s3]'."
                    if extra == "s3"
                    else "Install the one by which fsspec reads it."
                )
            ) from None
        except ValueError as error:
            raise Misconfigured(f"{protocol}:// can't be read by fsspec: {error}") from None


@contextmanager
def _translated_errors(address: Address) -> Iterator[None]:
    """Translate the errors of a store's client into errors that hold no credentials."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "there is no such object or bucket", str(address)) from error
    except PermissionError as error:
        raise PermissionError(
            13, "the store refuses the credentials, or what they may read", str(address)
        ) from error
    except Misconfigured:
        raise
    # Each store's client has its own error classes, whose texts may contain the request.
    except Exception as error:
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            raise PermissionError(
                13, "there are no credentials for the store", str(address)
            ) from error
        where = f"{address.protocol}://{address.path.partition('/')[0]}"
        raise Unavailable(
            f"{where} doesn't answer ({type(error).__name__}). Try again later.",
            retry_after=5,
        ) from error


def _stamp(info: Mapping[str, Any]) -> Stamp:
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    version = next((info[name] for name in _VERSIONS if info.get(name)), None)
    return Stamp(_nanoseconds(time), int(info.get("size") or 0), _number(version))


def _nanoseconds(time: object) -> int:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return int(time.timestamp()) * 10**9 + time.microsecond * 1000
    return int(time * 10**9) if isinstance(time, int | float) and isfinite(time) else 0


def _number(version: object) -> int:
    if version is None:
        return 0
    digest = hashlib.blake2b(str(version).encode(), digest_size=8).digest()
    return signed(int.from_bytes(digest, "big"))
