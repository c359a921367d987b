"""Pictures of a folder whose XMP files hold tags: of digiKam, Lightroom, darktable and others."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from shared.core.errors import ISEError
from shared.importing.files import Files, files_of
from shared.importing.library import FAVOURITE, Asset, description_of, tags_of
from shared.media import xmp

_BEST = "5"
_PLACES = ("{}.xmp", "{}.XMP")


class XmpFolder:
    """Folders or zip archives. Keywords become tags, five stars the tag of favourites."""

    kind = "xmp"

    def __init__(self, parts: Sequence[Path]) -> None:
        """Take at least one part."""
        self._parts = parts
        self.where = str(parts[0].absolute())

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def assets(self) -> Iterator[Asset]:
        """Yield every picture that has an XMP file."""
        files = files_of(self._parts)
        for path in files.pictures():
            beside = _beside(files, path)
            if beside is None:
                continue
            try:
                packet = files.read[beside]()
            except (OSError, ISEError):
                continue
            yield _asset(files, path, beside, packet)


def _beside(files: Files, path: str) -> str | None:
    stem = str(PurePosixPath(path).with_suffix(""))
    names = (form.format(name) for name in (path, stem) for form in _PLACES)
    return next((name for name in names if name in files.read), None)


def _asset(files: Files, path: str, beside: str, packet: bytes) -> Asset:
    values, lists = xmp.values_of(packet), xmp.lists_of(packet)
    # A hierarchical keyword, `Places|Alps`, is also among the plain ones by its end.
    keywords = lists.get("dc:subject") or [
        word.rpartition("|")[2].rpartition("/")[2]
        for name in ("lr:hierarchicalSubject", "digiKam:TagsList")
        for word in lists.get(name, ())
    ]
    favourite = (FAVOURITE,) if values.get("xmp:Rating") == _BEST else ()
    known = files.version[path] + hashlib.sha256(packet).hexdigest()
    return Asset(
        key=path,
        name=PurePosixPath(path).name,
        version=hashlib.sha256(known.encode()).hexdigest()[:16],
        read=files.read[path],
        tags=tags_of(keywords, favourite),
        description=description_of(*lists.get("dc:description", ()), values.get("dc:description")),
        sidecar=packet,
    )
