"""Facts that a picture's file tells: size, date, camera, place."""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from shared.contracts.base import Wire

FILE = "file"
"""Key of the facts in filters: `file.width`. No metadata of a user may have it."""
COLORS_KEY = "colors"
ADDED = "added_at"


class FileFacts(Wire):
    """Facts of a file, from its header, EXIF and XMP; null where unknown."""

    width: int | None = Field(None, description="In pixels, as the picture is shown.")
    height: int | None = Field(None, description="In pixels, as the picture is shown.")
    bytes: int | None = Field(None, description="Size of the file.")
    format: str | None = Field(None, description="`JPEG`, `HEIC`, `NEF`, `MP4` ...")
    duration_s: float | None = Field(None, description="Length of a video, in seconds.")
    taken_at: str | None = Field(
        None,
        description="When it was taken, ISO 8601: local time, with the offset from UTC that the "
        "file gives, or none.",
    )
    camera: str | None = Field(None, description="Camera model.")
    lens: str | None = Field(None, description="Lens model.")
    latitude: float | None = Field(None, description="In degrees, north is positive.")
    longitude: float | None = Field(None, description="In degrees, east is positive.")
    city: str | None = Field(
        None, description="Town at that place, by its English or local name (GeoNames)."
    )
    country: str | None = Field(None, description="Country of that town, by its English name.")
    colors: dict[str, float] | None = Field(
        None,
        description="Share of what the picture shows that is `black`, `white`, `grey`, `red`, "
        "`orange`, `yellow`, `green`, `blue`, `purple`, `pink` and `brown`, each from 0 to 1, and "
        "`monochrome`: of its pixels without any colour. Small shares are left out.",
    )


FILE_EXAMPLE: dict[str, Any] = {
    "width": 4032,
    "height": 3024,
    "bytes": 2871302,
    "format": "JPEG",
    "duration_s": None,
    "taken_at": "2019-07-14T18:22:05+02:00",
    "camera": "Apple iPhone X",
    "lens": None,
    "latitude": 48.8584,
    "longitude": 2.2945,
    "city": "Paris",
    "country": "France",
    "colors": {"blue": 0.41, "grey": 0.33, "brown": 0.2},
}

_UNKNOWN = FileFacts()

AddedAt = Annotated[
    str | None, Field(description="When the image was added, ISO 8601, UTC; null: unknown.")
]


def facts_of(told: dict[str, Any]) -> FileFacts:
    """Return kept facts; fields that this version doesn't know are left out."""
    if not told:
        return _UNKNOWN
    try:
        # Several times as fast as to construct the model by hand, and done for every hit.
        return FileFacts.model_validate(told)
    except ValidationError:
        known = {name: told[name] for name in FileFacts.model_fields if name in told}
        return FileFacts.model_construct(**known)
