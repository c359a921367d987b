"""Files of folders and zip archives on this machine, as an export of an application has them."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from shared.core.errors import InvalidInput, TooLarge
from shared.importing.library import MOST_BYTES
from shared.media.names import IMAGE_SUFFIXES, VIDEO_SUFFIXES

PICTURES = IMAGE_SUFFIXES - VIDEO_SUFFIXES
_DAMAGE = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What the standard library makes of archives that are damaged, encrypted or of an odd kind."""


@dataclass(frozen=True)
class Files:
    """Files by their path in the export, whichever of its parts they are in.

    version: of each, by its size and time. read: each one's bytes.
    """

    version: Mapping[str, str]
    read: Mapping[str, Callable[[], bytes]]

    def pictures(self) -> Iterator[str]:
        """Yield the paths of the pictures, in a stable order."""
        for path in sorted(self.read):
            if PurePosixPath(path).suffix.lower() in PICTURES:
                yield path


def files_of(parts: Sequence[Path]) -> Files:
    """Return the files of folders and zip archives. Raises InvalidInput for what is neither."""
    version: dict[str, str] = {}
    read: dict[str, Callable[[], bytes]] = {}
    for part in parts:
        if part.is_dir():
            for path in sorted(part.rglob("*")):
                # A link may lead anywhere.
                if path.is_file() and not path.is_symlink():
                    name, stat = path.relative_to(part).as_posix(), path.stat()
                    version[name] = f"{stat.st_size} {stat.st_mtime_ns}"
                    read[name] = partial(_of_folder, path)
        elif zipfile.is_zipfile(part):
            for member in _members(part):
                version[member.filename] = f"{member.file_size} {member.CRC}"
                read[member.filename] = partial(_of_archive, part, member)
        else:
            raise InvalidInput(f"{part} is neither a folder nor a zip archive.")
    return Files(version, read)


def _members(part: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(part) as archive:
            return [member for member in archive.infolist() if not member.is_dir()]
    except _DAMAGE as error:
        raise InvalidInput(f"{part} can't be read: {error}. Fetch it again.") from None


def _of_folder(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file.read(MOST_BYTES + 1), path.name)


def _of_archive(part: Path, member: zipfile.ZipInfo) -> bytes:
    try:
        with zipfile.ZipFile(part) as archive, archive.open(member) as file:
            return _bounded(file.read(MOST_BYTES + 1), member.filename)
    except _DAMAGE as error:
        raise InvalidInput(f"{member.filename} of {part.name} can't be read: {error}.") from None


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise TooLarge(f"{name} is over the limit of {MOST_BYTES / 2**20:g} MiB.")
    return data
