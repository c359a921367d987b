"""A file of an archive, as the archive's headers tell of it."""

import zipfile
from dataclasses import dataclass

from services.indexer.sources.skipping import Skip
from shared.objects.file import Stamp


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. `stored`: its bytes there; `kind`: how a zip packs it.

    `holes`: of a sparse file, where each piece of it belongs and how long it is. `skip`: why it is
    none that is read. `through_link`: its path leads through a link to a folder; `is_folder`: it
    is such a link.
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
