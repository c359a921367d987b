"""Several files as one body: before each, its length in bytes as a little-endian uint32.

For callers in bulk: a multipart parser looks at every byte, and spools larger parts to disk.
"""

import struct
from collections.abc import Sequence

from shared.core.errors import InvalidInput

_LENGTH = struct.Struct("<I")


def framed(files: Sequence[bytes]) -> bytes:
    """Return the body of some files."""
    return b"".join(part for data in files for part in (_LENGTH.pack(len(data)), data))


def unframed(body: bytes, most: int) -> list[bytes]:
    """Return the files of a body. Raises InvalidInput if it is cut, or has over `most` files."""
    files: list[bytes] = []
    at = 0
    while at < len(body):
        begin = at + _LENGTH.size
        if begin > len(body):
            raise InvalidInput("The body ends within the length of a file; send it whole.")
        at = begin + _LENGTH.unpack_from(body, begin - _LENGTH.size)[0]
        if at > len(body):
            raise InvalidInput(
                f"The body ends within file {len(files)}; send the length of each file as a "
                "little-endian uint32, then the file."
            )
        if len(files) == most:
            raise InvalidInput(f"Over {most} files are more than a call may have; send fewer.")
        files.append(body[begin:at])
    return files
