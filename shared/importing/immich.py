"""Pictures of immich, by its API (https://api.immich.app): versions 1.106 to 3."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from shared.core.errors import NotFound
from shared.importing.library import FAVOURITE, Asset, description_of, place_of, tags_of
from shared.importing.web import WebApi

_PAGE = 1000


class Immich:
    """Library of the user whose key is given. Albums, tags and named people become tags."""

    kind = "immich"

    def __init__(self, where: str, key: str) -> None:
        self._api = WebApi(where.rstrip("/").removesuffix("/api"), "immich", {"x-api-key": key})
        self.where = self._api.where

    def close(self) -> None:
        """End the connections."""
        self._api.close()

    def assets(self) -> Iterator[Asset]:
        """Yield every picture that isn't in the trash."""
        with self._api.understood():
            names = self._names()
            for found in self._search({"withExif": True, "withPeople": True}):
                if found.get("type") == "IMAGE" and not found.get("isTrashed"):
                    yield self._asset(found, names.get(found["id"], ()))

    def _names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the albums and tags that each asset has."""
        found: dict[str, tuple[str, ...]] = {}
        for album in self._api.get("/api/albums"):
            for asset in self._search({"albumIds": [album["id"]]}):
                found[asset["id"]] = (*found.get(asset["id"], ()), album["albumName"])
        try:
            tags = self._api.get("/api/tags")
        except NotFound:
            # Tags can be switched off.
            tags = []
        for tag in tags:
            for asset in self._search({"tagIds": [tag["id"]]}):
                # `value` is the path of a nested tag, `name` its end.
                found[asset["id"]] = (*found.get(asset["id"], ()), tag["name"])
        return found

    def _search(self, wanted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        page: int | None = 1
        while page is not None:
            body = {**wanted, "type": "IMAGE", "size": _PAGE, "page": page}
            found = self._api.post("/api/search/metadata", body)["assets"]
            yield from found["items"]
            following = found.get("nextPage")
            former, page = page, None if following is None else int(following)
            if page is not None and page <= former:
                raise ValueError("its pages come round again")

    def _asset(self, told: Mapping[str, Any], names: tuple[str, ...]) -> Asset:
        exif = told.get("exifInfo") or {}
        people = [person.get("name") for person in told.get("people") or ()]
        favourite = (FAVOURITE,) if told.get("isFavorite") else ()
        tags = tags_of(sorted(names), people, favourite)
        description = description_of(exif.get("description"))
        taken_at = _local(told.get("localDateTime"))
        place = place_of(exif.get("latitude"), exif.get("longitude"))
        known = repr((told.get("checksum"), tags, description, taken_at, place))
        return Asset(
            key=told["id"],
            name=str(told.get("originalFileName") or told["id"]),
            version=hashlib.sha256(known.encode(errors="replace")).hexdigest()[:16],
            read=partial(self._api.bytes_of, f"/api/assets/{told['id']}/original"),
            tags=tags,
            description=description,
            taken_at=taken_at,
            place=place,
        )


def _local(told: object) -> str | None:
    """Return the local time, which immich writes as if it were UTC."""
    return told.partition(".")[0].removesuffix("Z") if isinstance(told, str) and told else None
