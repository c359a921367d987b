"""Storage of uploads and thumbnails: in a folder, or by URL."""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from shared.core import failpoints
from shared.core.errors import Unavailable
from shared.files import durable
from shared.objects.address import Address
from shared.objects.file import File, LocalFile
from shared.objects.store import Objects

log = logging.getLogger(__name__)

_ASIDE = "aside"
_AT_ONCE = 32


class BlobStore(Protocol):
    """Files by key, such as `uploads/ab/abcd`, each written completely or not at all."""

    def file(self, key: str) -> File: ...

    def has(self, key: str) -> bool: ...

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""

    def write(self, key: str, data: bytes, what: str) -> None:
        """Write a file durably. `what`: name of the steps' failpoints."""

    def remove(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    @contextmanager
    def removing(self, keys: Iterable[str]) -> Iterator[None]:
        """Context manager that removes files at the end of the block, or restores them if it
        raises.

        They are moved aside at once, because the same picture may be uploaded again meanwhile.
        """
        yield

    def tidy(self) -> None:
        """Remove partial files of a killed process, and those moved aside."""


class LocalBlobStore:
    """Files in a folder of the data directory."""

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

    @contextmanager
    def removing(self, keys: Iterable[str]) -> Iterator[None]:
        aside: dict[Path, Path] = {}
        try:
            for path in map(self.path, keys):
                moved = durable.temporary_of(path)
                with suppress(FileNotFoundError):
                    path.replace(moved)
                    aside[path] = moved
            yield
        except BaseException:
            for path, moved in aside.items():
                moved.replace(path)
            raise
        # The deletion is committed: a file that can't be removed only wastes space.
        for moved in aside.values():
            failpoints.reach("delete.file")
            try:
                moved.unlink()
            except OSError as error:
                log.warning("%s is left: %s", moved, error)

    def tidy(self) -> None:
        durable.remove_temporaries(self._folder)


class RemoteBlobStore:
    """Files in an object store, below an address."""

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

    @contextmanager
    def removing(self, keys: Iterable[str]) -> Iterator[None]:
        # Choose names before moving, because a move may succeed although its answer is lost.
        aside = {self._at(key): self._at(f"{_ASIDE}/{key}.{uuid.uuid4().hex}") for key in set(keys)}
        try:
            _each(self._set_aside, aside)
            yield
        except BaseException:
            _each(self._put_back, aside)
            raise
        _each(self._drop, aside)

    def _set_aside(self, at: Address, moved: Address) -> None:
        with suppress(FileNotFoundError):
            self._objects.move(at, moved)

    def _put_back(self, at: Address, moved: Address) -> None:
        try:
            self._objects.move(moved, at)
        except FileNotFoundError:
            # It was never moved aside.
            return
        except (OSError, Unavailable) as error:
            log.error("%s is left at %s, move it back: %s", at, moved, error)

    def _drop(self, _: Address, moved: Address) -> None:
        failpoints.reach("delete.file")
        try:
            self._objects.remove(moved)
        except (OSError, Unavailable) as error:
            # The deletion is committed: an object that can't be removed only wastes space.
            log.warning("%s is left: %s", moved, error)

    def tidy(self) -> None:
        """Do nothing: a put is atomic, and objects moved aside are harmless."""

    def _at(self, key: str) -> Address:
        return self._address.child(key)


def _each(work: Callable[[Address, Address], None], aside: Mapping[Address, Address]) -> None:
    """Run several operations on the store. All are tried; the first error is raised."""
    if len(aside) > 1:
        with ThreadPoolExecutor(min(len(aside), _AT_ONCE), "kept") as pool:
            done = [pool.submit(work, at, moved) for at, moved in aside.items()]
        for one in done:
            one.result()
    else:
        for at, moved in aside.items():
            work(at, moved)
