"""Pictures of PhotoPrism, by its API (https://docs.photoprism.app/developer-guide/api/)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from shared.importing.library import FAVOURITE, Asset, description_of, place_of, tags_of
from shared.importing.web import WebApi

_PAGE = 1000
_PICTURES = ("image", "raw", "live", "animated", "vector")
_SURE = 40
"""Labels of a greater uncertainty, in percent, are guesses of PhotoPrism's own classifier."""


class PhotoPrism:
    """Library that an app password opens. Albums, and labels and keywords of people, become tags.

    Pictures in the archive (PhotoPrism's trash) are left out.
    """

    kind = "photoprism"

    def __init__(self, where: str, key: str) -> None:
        self._api = WebApi(where, "PhotoPrism", {"Authorization": f"Bearer {key}"})
        self.where = self._api.where
        self._token = ""

    def close(self) -> None:
        """End the connections."""
        self._api.close()

    def assets(self) -> Iterator[Asset]:
        """Yield every picture."""
        with self._api.understood():
            self._token = str(self._api.get("/api/v1/config").get("downloadToken") or "")
            albums = self._albums()
            for photo in self._photos():
                file = _shown(photo.get("Files") or ())
                if photo.get("Type", "image") in _PICTURES and file is not None:
                    yield self._asset(photo, file, albums.get(photo["UID"], ()))

    def _albums(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for album in self._pages("/api/v1/albums", type="album"):
            for photo in self._photos(s=album["UID"]):
                found[photo["UID"]] = (*found.get(photo["UID"], ()), album["Title"])
        return found

    def _photos(self, **wanted: str) -> Iterator[Mapping[str, Any]]:
        return self._pages("/api/v1/photos", merged="true", order="oldest", **wanted)

    def _pages(self, path: str, **wanted: str) -> Iterator[Mapping[str, Any]]:
        offset, former = 0, None
        while found := self._api.get(path, count=_PAGE, offset=offset, **wanted):
            # Who takes no notice of the offset would answer for ever.
            page = [one["UID"] for one in found]
            if page == former or len(page) > _PAGE:
                raise ValueError("its pages come round again")
            former = page
            yield from found
            # Files of one photo are merged after the count, so that a page may be shorter.
            offset += _PAGE

    def _asset(
        self, photo: Mapping[str, Any], file: Mapping[str, Any], albums: tuple[str, ...]
    ) -> Asset:
        whole = self._api.get(f"/api/v1/photos/{photo['UID']}")
        labels = [
            (found.get("Label") or {}).get("Name")
            for found in whole.get("Labels") or ()
            if found.get("Uncertainty", 100) < _SURE
        ]
        keywords = _keywords(whole.get("Details") or {})
        favourite = (FAVOURITE,) if photo.get("Favorite") else ()
        tags = tags_of(sorted(albums), labels, keywords, favourite)
        description = description_of(photo.get("Caption"), photo.get("Description"))
        taken_at = _local(photo)
        place = place_of(photo.get("Lat"), photo.get("Lng"))
        known = repr((file["Hash"], tags, description, taken_at, place))
        return Asset(
            key=photo["UID"],
            name=str(file.get("Name") or photo["UID"]),
            version=hashlib.sha256(known.encode(errors="replace")).hexdigest()[:16],
            read=partial(self._api.bytes_of, f"/api/v1/dl/{file['Hash']}", t=self._token),
            tags=tags,
            description=description,
            taken_at=taken_at,
            place=place,
        )


def _shown(files: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the file that stands for a photo."""
    pictures = [file for file in files if file.get("Hash") and not file.get("Video")]
    return next((file for file in pictures if file.get("Primary")), next(iter(pictures), None))


def _keywords(details: Mapping[str, Any]) -> list[str]:
    """Return keywords that somebody wrote; PhotoPrism makes others from names and labels."""
    if details.get("KeywordsSrc") not in ("manual", "meta", "xmp", "batch"):
        return []
    return [word.strip() for word in str(details.get("Keywords") or "").split(",")]


def _local(photo: Mapping[str, Any]) -> str | None:
    """Return the local time, which PhotoPrism writes as if it were UTC; None for its estimates."""
    told = photo.get("TakenAtLocal")
    if not isinstance(told, str) or not told or photo.get("TakenSrc") in ("", "estimate"):
        return None
    return told.removesuffix("Z")
