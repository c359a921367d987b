"""Originals of images as they are sent: from where they lie, or copied piece by piece."""

import hashlib
from collections.abc import Callable
from typing import IO

from services.indexer.catalog.locations import Place
from services.indexer.storage.opened_file import OpenedFile, Unsettled
from services.indexer.storage.verified_files import VerifiedFiles
from shared.core.errors import Forbidden, NotFound, TooLarge, Unavailable, full_disk
from shared.media import images
from shared.media.identity import id_of_sha256
from shared.objects.file import FarFile, File, InPieces, LocalFile

_HEAD = 4096
"""First bytes of a file, which tell its media type."""


class FileSender:
    """Opens and copies the files of images that are sent without being held in memory."""

    def __init__(
        self, file_at: Callable[[str, Place], File], verified: VerifiedFiles, max_bytes: int
    ) -> None:
        """`file_at`: gives the file of an image at a location. `max_bytes`: a larger file is sent
        from where it lies alone.
        """
        self._file_at = file_at
        self._verified = verified
        self._max_bytes = max_bytes

    def opened(
        self, image_id: str, places: list[Place], seconds: float, caller: str
    ) -> tuple[OpenedFile, Place] | None:
        """Open the first of an image's files on this machine that has its bytes, for a caller.

        None: there may be one elsewhere, or one that was written a moment ago, which is copied.
        Raises NotFound where all are gone, changed or outside the roots, and Unavailable if
        verifying takes longer than so many seconds; it goes on in the background.
        """
        unavailable: Unavailable | None = None
        outside, is_elsewhere = 0, False
        places = [place for place in places if place.has_file]
        for place in places:
            file = self._file_at(image_id, place)
            if not isinstance(file, LocalFile):
                is_elsewhere = True
                continue
            waits = place.bytes > self._max_bytes
            try:
                found = OpenedFile.of(file, self._verified, place.bytes, seconds, waits, caller)
            except Unsettled:
                is_elsewhere = True
            except Unavailable as error:
                unavailable = error
            except Forbidden:
                outside += 1
            except OSError:
                continue
            else:
                if is_its(found.sha256, image_id, place):
                    return found, place
                found.close()
        if is_elsewhere:
            return None
        raise unavailable or missing(image_id, is_outside=outside == len(places))

    def copy(self, image_id: str, places: list[Place], to: IO[bytes]) -> str | None:
        """Copy an image's own bytes, piece by piece; return their media type.

        The bytes that are copied were hashed. None: no file that can be read in pieces has them, as
        those of this machine and of object stores can.
        """
        for place in places:
            if not place.has_file:
                continue
            digest = hashlib.sha256()
            to.seek(0)
            to.truncate()
            try:
                if (file := _in_pieces(self._file_at(image_id, place))) is None:
                    continue
                for chunk in file.chunks(max(self._max_bytes, place.bytes)):
                    digest.update(chunk)
                    to.write(chunk)
            except (OSError, TooLarge, Forbidden, Unavailable) as error:
                if isinstance(error, OSError) and full_disk(error) is not None:
                    raise
                continue
            if is_its(digest.hexdigest(), image_id, place):
                to.seek(0)
                return images.media_type(to.read(_HEAD))
        return None


def is_its(sha256: str, image_id: str, place: Place) -> bool:
    """Return whether bytes with this SHA-256 are those of an image."""
    return sha256 == place.sha256 if place.sha256 else id_of_sha256(sha256) == image_id


def missing(image_id: str, is_outside: bool) -> NotFound:
    """Return the error for an image none of whose files has its bytes."""
    if is_outside:
        return NotFound(
            f"The file of image {image_id} is outside the folders that may be read; name its "
            "folder in ISE_INGEST_ROOTS."
        )
    return NotFound(
        f"The file of image {image_id} is missing or has changed since it was "
        "indexed. Ingest or sync its current folder."
    )


def _in_pieces(file: File) -> InPieces | None:
    if isinstance(file, LocalFile):
        return file
    return file.pieces() if isinstance(file, FarFile) and file.pieces is not None else None
