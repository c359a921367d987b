"""Regular files, opened and read so that nothing else can hold the reader up."""

import os
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from shared.errors import TooLarge

_BLOCK = 2**20
# A pipe is opened without waiting for its other end; Windows has neither flag, nor such files.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class NotAFile(OSError):
    """A folder, a pipe, a device or a socket, which is not read."""

    def __init__(self, path: str = "") -> None:
        super().__init__(None, "It is not a regular file", path)


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading. Raises NotAFile for anything else, OSError."""
    number = os.open(path, _FLAGS)
    try:
        if not S_ISREG(os.fstat(number).st_mode):
            raise NotAFile(str(path))
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_regular(path: Path | str, most: int) -> bytes:
    """Read a regular file whole. Raises TooLarge where it has more than `most` bytes, OSError."""
    with open_regular(path) as file:
        expected = min(os.fstat(file.fileno()).st_size, most)
        data = file.read(expected + 1)
        # The size that a system tells need not be true, as under /proc.
        while expected < len(data) <= most and (more := file.read(min(_BLOCK, most + 1))):
            data += more
    if len(data) > most:
        raise _too_large(path, most)
    return data


def sha256_of_regular(path: Path | str, most: int) -> str:
    """Return the SHA-256 of a regular file. Raises TooLarge, OSError."""
    digest, size = sha256(), 0
    with open_regular(path) as file:
        while block := file.read(_BLOCK):
            size += len(block)
            if size > most:
                raise _too_large(path, most)
            digest.update(block)
    return digest.hexdigest()


def _too_large(path: Path | str, most: int) -> TooLarge:
    return TooLarge(f"{Path(path).name!a} is over the limit of {most / 2**20:g} MiB.")
