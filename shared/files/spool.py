"""Values of many rows, kept in a file without a name until all are there."""

import io
import tempfile
from array import array
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from shared.files.mapped import offsets_of

_AT_ONCE = 1 << 20


class Spool:
    """Byte strings, one a row; memory holds their lengths and the last of them.

    folder: where the file is; None: memory holds all.
    """

    def __init__(self, folder: Path | None) -> None:
        # Closing removes the file, and so does the end of the process.
        self._file: IO[bytes] = io.BytesIO()
        if folder is not None:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._lengths = array("q")
        self._pending = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, data: bytes) -> None:
        self._lengths.append(len(data))
        self._pending += data
        if len(self._pending) >= _AT_ONCE:
            self._flush()

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Return where each row begins, and where the last one ends."""
        return offsets_of(np.frombuffer(self._lengths, np.int64))

    @property
    def bytes(self) -> NDArray[np.uint8]:
        """All rows, one after another; on disk."""
        self._flush()
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getvalue(), np.uint8)
        if not self._file.tell():
            return np.empty(0, np.uint8)
        return np.memmap(self._file, np.uint8, "r")

    def _flush(self) -> None:
        self._file.write(self._pending)
        self._file.flush()
        self._pending.clear()
