"""Pictures of Google Photos, as Google Takeout exports them: files, and JSON beside each."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from shared.core.errors import ISEError
from shared.importing.files import Files, files_of
from shared.importing.library import FAVOURITE, Asset, description_of, place_of, tags_of

_LONGEST_NAME = 46
"""Characters before `.json` that Takeout leaves of a longer name."""
_NUMBERED = re.compile(r"^(?P<stem>.*)(?P<number>\(\d+\))(?P<suffix>\.[^.]*)$")
_EDITED = re.compile(r"-(edited|bearbeitet|modifié|editado|modificato|edytowane|bewerkt)(?=\.|\()")
_MOST_OF_A_SIDECAR = 2**20


class Takeout:
    """Export, given as its zip archives or the folders they were unpacked to.

    Albums, and the names of people, become tags. A picture in a year's folder and in albums is one.
    """

    kind = "takeout"

    def __init__(self, parts: Sequence[Path]) -> None:
        """Take at least one part."""
        self._parts = parts
        self.where = str(parts[0].absolute())

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def assets(self) -> Iterator[Asset]:
        """Yield every picture that isn't in the trash."""
        files = files_of(self._parts)
        told = {path: _sidecar(files, path) for path in files.read if path.endswith(".json")}
        albums = {
            str(PurePosixPath(path).parent): one["title"]
            for path, one in told.items()
            if one.get("title") and "photoTakenTime" not in one
        }
        for path in files.pictures():
            beside = next((told[name] for name in sidecars_of(path) if told.get(name)), {})
            if not beside.get("trashed"):
                yield _asset(files, path, beside, albums.get(str(PurePosixPath(path).parent)))


def sidecars_of(path: str) -> Iterator[str]:
    """Yield the paths that the JSON of a picture may have, the more likely first."""
    at = PurePosixPath(path)
    for name in dict.fromkeys((at.name, _EDITED.sub("", at.name))):
        number = ""
        if (found := _NUMBERED.match(name)) is not None:
            # `a(1).jpg` has its number behind the name of the JSON.
            name, number = found["stem"] + found["suffix"], found["number"]
        for ending in (".supplemental-metadata", ""):
            yield str(at.with_name(f"{(name + ending)[:_LONGEST_NAME]}{number}.json"))
        yield str(at.with_name(f"{name}{number}.json"))


def _sidecar(files: Files, path: str) -> Mapping[str, Any]:
    try:
        data = files.read[path]()
        found = json.loads(data) if len(data) <= _MOST_OF_A_SIDECAR else None
    except (OSError, ISEError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _asset(files: Files, path: str, told: Mapping[str, Any], album: object) -> Asset:
    people = [one.get("name") for one in _list(told, "people") if isinstance(one, dict)]
    favourite = (FAVOURITE,) if told.get("favorited") is True else ()
    tags = tags_of([album], people, favourite)
    description = description_of(told.get("description"))
    taken_at = _time(told.get("photoTakenTime"))
    place = _place(told.get("geoData")) or _place(told.get("geoDataExif"))
    known = repr((files.version[path], tags, description, taken_at, place))
    return Asset(
        key=path,
        name=PurePosixPath(path).name,
        version=hashlib.sha256(known.encode(errors="replace")).hexdigest()[:16],
        read=files.read[path],
        tags=tags,
        description=description,
        taken_at=taken_at,
        place=place,
        # Takeout knows no zone, and a place that Google estimated isn't told from a measured one.
        is_doubtful=True,
    )


def _list(told: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = told.get(name)
    return found if isinstance(found, list) else ()


def _place(told: object) -> tuple[float, float] | None:
    found = told if isinstance(told, dict) else {}
    return place_of(found.get("latitude"), found.get("longitude"))


def _time(told: object) -> str | None:
    """Return a time in UTC, as Takeout has it."""
    seconds = told.get("timestamp") if isinstance(told, dict) else None
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
