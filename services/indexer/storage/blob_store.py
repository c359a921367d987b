"""Storage of uploads and thumbnails: in a folder, or by URL."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

from shared.core import failpoints
from shared.core.errors import Unavailable
from shared.files import durable
from shared.objects.address import Address
from shared.objects.file import File, LocalFile
from shared.objects.store import Objects

_AT_ONCE = 32


class BlobStore(Protocol):
    """Files by key, such as `uploads/ab/abcd`, each written completely or not at all."""

    is_local: bool

    def file(self, key: str) -> File: ...

    def has(self, key: str) -> bool: ...

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""

    def write(self, key: str, data: bytes, what: str) -> None:
        """Write a file durably. `what`: name of the steps' failpoints."""

    def remove(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def remove_all(self, keys: Iterable[str]) -> list[Exception | None]:
        """Remove files; give the error of each, or None."""

    def tidy(self) -> None:
        """Remove partial files of a killed process."""


class LocalBlobStore:
    """Files in a folder of the data directory."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        return self._folder / key

    def file(self, key: str) -> File:
        return LocalFile(self.path(key))

    def has(self, key: str) -> bool:
        return self.path(key).exists()

    def read(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def write(self, key: str, data: bytes, what: str) -> None:
        durable.write_bytes(self.path(key), data, what)

    def remove(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def remove_all(self, keys: Iterable[str]) -> list[Exception | None]:
        return [_removed(self, key) for key in keys]

    def tidy(self) -> None:
        durable.remove_temporaries(self._folder)


class RemoteBlobStore:
    """Files in an object store, below an address."""

    is_local = False

    def __init__(self, objects: Objects, address: Address) -> None:
        self._objects = objects
        self._address = address

    def file(self, key: str) -> File:
        return self._objects.file(self._at(key))

    def has(self, key: str) -> bool:
        try:
            self._objects.look(self._at(key))
        except FileNotFoundError:
            return False
        return True

    def read(self, key: str) -> bytes:
        return self._objects.read(self._at(key))

    def write(self, key: str, data: bytes, what: str) -> None:
        failpoints.reach(f"{what}.begin")
        self._objects.write(self._at(key), data)
        failpoints.reach(f"{what}.durable")

    def remove(self, key: str) -> None:
        self._objects.remove(self._at(key))

    def remove_all(self, keys: Iterable[str]) -> list[Exception | None]:
        with ThreadPoolExecutor(_AT_ONCE, "removed") as pool:
            return list(pool.map(partial(_removed, self), keys))

    def tidy(self) -> None:
        """Do nothing: a put is atomic."""

    def _at(self, key: str) -> Address:
        return self._address.child(key)


def _removed(store: BlobStore, key: str) -> Exception | None:
    """Remove a file; return what prevented it."""
    failpoints.reach("delete.file")
    try:
        store.remove(key)
    except (OSError, Unavailable) as error:
        return error
    return None
