"""Unpacks an export as it comes in."""

import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from shared.core.errors import ISEError
from shared.files import durable

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CHUNK = 2**20
_FILES = {"export.json", "ids.txt", "records.jsonl", "tags.json", "catalog.csv", "features.npy"}
_OPTIONAL = {"catalog.parquet"}


def unpack(chunks: Iterator[bytes], folder: Path) -> None:
    """Write the files of an archive into a folder: all of them or, on an error, none."""
    missing = set(_FILES)
    with ExitStack() as undo:
        try:
            with tarfile.open(fileobj=io.BufferedReader(_Stream(chunks)), mode="r|") as archive:
                for member in archive:
                    # Accept known names only, so that nothing is written outside the folder.
                    file = archive.extractfile(member)
                    if file is None or member.name not in _FILES | _OPTIONAL:
                        raise ISEError(
                            f"The archive holds {member.name!r}, which is not part of an export."
                        )
                    path = folder / member.name
                    with durable.publishing(path) as temporary, temporary.open("wb") as copy:
                        shutil.copyfileobj(file, copy, _CHUNK)
                    undo.callback(path.unlink, missing_ok=True)
                    missing.discard(member.name)
        except tarfile.TarError as error:
            raise ISEError(f"The archive is incomplete: {error}. Export again.") from error
        if missing:
            raise ISEError(f"The archive has no {min(missing)}. Export again.")
        undo.pop_all()


class _Stream(io.RawIOBase):
    """Chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        self._left = self._left or memoryview(next(self._chunks, b""))
        room = memoryview(buffer)
        count = min(len(room), len(self._left))
        room[:count], self._left = self._left[:count], self._left[count:]
        return count
