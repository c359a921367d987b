"""A file of an archive, described by the archive's headers."""

import zipfile
from dataclasses import dataclass

from services.indexer.sources.skipping import Skip
from shared.objects.file import Stamp


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. `stored`: packed size; `kind`: compression method of a zip.

    `holes`: offsets and lengths of the pieces of a sparse file. `skip`: reason for skipping it.
    `through_link`: its path contains a link to a folder; `is_folder`: it is such a link.
    """

    stamp: Stamp
    offset: int
    stored: int
    kind: int = zipfile.ZIP_STORED
    name_length: int = -1
    crc: int | None = None
    error: str | None = None
    skip: Skip | None = None
    holes: tuple[tuple[int, int], ...] | None = None
    through_link: bool = False
    is_folder: bool = False


Index = dict[str, Member]
