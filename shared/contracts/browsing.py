"""Wire models of looking through all pictures: a page of them, and how many are of each day."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, Json, WithJsonSchema

from shared.contracts.base import Choice, Wire
from shared.contracts.facts import FILE_EXAMPLE
from shared.contracts.filters import Filter
from shared.contracts.query import ImageInfo
from shared.contracts.sort import Sort as Sort

_IMAGE: dict[str, Any] = {
    "id": "d0ed203b490efa13b89928e082c3728f",
    "tags": ["castle", "night"],
    "uri": "castle/07.jpg",
    "uris": ["castle/07.jpg"],
    "metadata": {},
    "added_at": "2026-11-22T05:43:50+00:00",
    "file": FILE_EXAMPLE,
}
_NEXT = "WyItYWRkZWQiLDE3NjM3ODk0MzAwMDAwMDAsNDJd"


# A plain string in the schema: what is said to be a document, the docs page takes for a file.
FilterText = Annotated[Json[Filter] | None, WithJsonSchema({"type": "string"})]


class ListQuery(Wire):
    """Selection of images, and their order."""

    sort: Sort = Field(Sort.NEWEST_TAKEN, description="Date that counts, and the order of days.")
    filter: FilterText = Field(None, description="Filter as in `POST /v1/search`, as JSON text.")


class Period(Choice):
    """Length of the periods that a timeline counts."""

    DAY = "day"
    MONTH = "month"


class TimelineQuery(ListQuery):
    """Parameters of the counts by day or month."""

    by: Period = Field(Period.DAY, description="Count by `day`, or by `month`.")


class ImagesQuery(ListQuery):
    """Parameters of a list of all images."""

    sort: Sort = Field(Sort.NEWEST_ADDED, description="Order of the images.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Number of images on a page."
    )
    cursor: Annotated[str, Field(max_length=24_000)] | None = Field(
        None, description="`next` of the previous page."
    )
    start: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")] | None = Field(
        None,
        alias="from",
        description="Begin at this day, month or year (`2019-07-14`) of the date that is sorted "
        "by.",
    )
    offset: Annotated[int, Field(ge=0, le=2**31)] = Field(
        0, description="Number of images to skip, from the start, `from` or `cursor` on."
    )


class Images(Wire):
    """A page of images."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"images": [_IMAGE], "total": 2500, "next": _NEXT}]}
    )

    images: list[ImageInfo] = Field(description="Images of this page.")
    total: int = Field(description="Number of images on all pages.")
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")
    unknown_keys: list[str] = Field(
        [], description="Keys of the filter that no image has a value of: perhaps a slip."
    )


class Day(Wire):
    """How many images are of a day, or of a month (`2019-07`)."""

    day: str = Field(description="Day, ISO 8601.")
    count: int = Field(description="Number of images of the day.")


class Timeline(Wire):
    """The days of all images, in the order of the sort; images without a date come after them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "days": [
                        {"day": "2019-07-14", "count": 31},
                        {"day": "2019-07-13", "count": 4},
                    ],
                    "undated": 7,
                    "total": 42,
                }
            ]
        }
    )

    days: list[Day] = Field(description="Days with images.")
    undated: int = Field(description="Number of images without a date.")
    total: int = Field(description="Number of images.")


class Folder(Wire):
    """A folder of the collection. `count`: images in it and below it."""

    path: str = Field(description="Path within the sources; `file.folder` in filters.")
    name: str = Field(description="Name of the folder.")
    count: int = Field(description="Number of images in it.")
    cover: str | None = Field(None, description="Id of one of its images.")


class Folders(Wire):
    """The folders right below a path, by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "path": "trips",
                    "folders": [
                        {
                            "path": "trips/rome",
                            "name": "rome",
                            "count": 31,
                            "cover": "d0ed203b490efa13b89928e082c3728f",
                        }
                    ],
                }
            ]
        }
    )

    path: str = Field(description="Path of the parent folder.")
    folders: list[Folder] = Field(description="Folders below it.")


class FoldersQuery(Wire):
    path: Annotated[str, Field(max_length=4096)] = Field(
        "", description="Folder of the collection; without it, the topmost ones."
    )


class FacetsQuery(Wire):
    """Parameters of the counts of facts."""

    filter: FilterText = Field(None, description="Filter as in `POST /v1/search`, as JSON text.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        24, description="Values of each fact, the most frequent first."
    )


class FacetCount(Wire):
    """A value of a fact and how many images have it."""

    value: str = Field(description="Value.")
    count: int = Field(description="Number of images with it.")


class Facets(Wire):
    """Facts of images, with counts. A filter reaches them as `file.taken_at`, `file.camera`,
    `file.lens`, `file.country`, `file.city`, `tag` and `label`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "years": [{"value": "2018", "count": 12}, {"value": "2019", "count": 23}],
                    "undated": 7,
                    "first": "2018-03-02",
                    "last": "2019-07-14",
                    "cameras": [{"value": "Apple iPhone X", "count": 35}],
                    "lenses": [],
                    "countries": [{"value": "France", "count": 31}],
                    "cities": [{"value": "Paris", "count": 28}],
                    "tags": [{"value": "castle", "count": 5}],
                    "labels": [{"value": "palace", "count": 3}],
                    "total": 42,
                }
            ]
        }
    )

    years: list[FacetCount] = Field(description="Years in which images were taken, ascending.")
    undated: int = Field(description="Number of images without a date.")
    first: str | None = Field(None, description="Day of the earliest image, ISO 8601.")
    last: str | None = Field(None, description="Day of the latest image, ISO 8601.")
    cameras: list[FacetCount] = Field(description="Cameras.")
    lenses: list[FacetCount] = Field(description="Lenses.")
    countries: list[FacetCount] = Field(description="Countries.")
    cities: list[FacetCount] = Field(description="Towns.")
    tags: list[FacetCount] = Field(description="Tags.")
    labels: list[FacetCount] = Field(description="Labels that images show with 0.5 or more.")
    total: int = Field(description="Number of images that were counted.")


class PlaceKind(Choice):
    """Kind of a place; also the name of its fact in a filter: `file.city`, `file.country`."""

    CITY = "city"
    COUNTRY = "country"


class PlacesQuery(Wire):
    """Parameters of a list of places."""

    match: Annotated[str, Field(max_length=200)] = Field(
        "", description="Start of any word of the name: `york` matches `New York City`."
    )
    name: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Only places of this name; case and accents make no difference."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="Number of places.")


class PlaceCount(Wire):
    """A town or country, and the number of images that were taken there."""

    name: str = Field(description="Name of the place.")
    kind: PlaceKind = Field(
        description="Kind of the place. Its images: the filter "
        '`{"must": [{"key": "file.city", "match": "Paris"}]}`, or `file.country`.'
    )
    count: int = Field(description="Number of images that were taken there.")


class Places(Wire):
    """Places where images were taken, those with the most images first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"places": [{"name": "Paris", "kind": "city", "count": 28}]}]
        }
    )

    places: list[PlaceCount] = Field(description="Places.")


class MapQuery(Wire):
    """Parameters of the places of images."""

    filter: FilterText = Field(None, description="Filter as in `POST /v1/search`, as JSON text.")
    cell: Annotated[float, Field(ge=0.0005, le=90)] = Field(
        10.0, description="Side of a cell, in degrees: images in one are counted together."
    )
    limit: Annotated[int, Field(ge=1, le=2000)] = Field(
        500, description="Number of cells, the fullest first."
    )


class MapCell(Wire):
    """Images that are near each other. The bounds are those of the images, so a filter by them on
    `file.latitude` and `file.longitude` finds these and no others.
    """

    latitude: float = Field(description="Mean latitude of the images.")
    longitude: float = Field(description="Mean longitude of the images.")
    south: float = Field(description="Least latitude.")
    north: float = Field(description="Greatest latitude.")
    west: float = Field(description="Least longitude.")
    east: float = Field(description="Greatest longitude.")
    count: int = Field(description="Number of images.")
    cover: str = Field(description="Id of the image that was taken last.")
    city: str | None = Field(None, description="Town of that image.")
    country: str | None = Field(None, description="Country of that image.")


class MapCells(Wire):
    """Places of images."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cells": [
                        {
                            "latitude": 48.8571,
                            "longitude": 2.3364,
                            "south": 48.8013,
                            "north": 48.8867,
                            "west": 2.1203,
                            "east": 2.3561,
                            "count": 31,
                            "cover": "d0ed203b490efa13b89928e082c3728f",
                            "city": "Paris",
                            "country": "France",
                        }
                    ],
                    "placed": 31,
                    "total": 42,
                    "complete": True,
                }
            ]
        }
    )

    cells: list[MapCell] = Field(description="Cells with images.")
    placed: int = Field(description="Number of images that have a place.")
    total: int = Field(description="Number of images.")
    complete: bool = Field(True, description="False if there are more cells than `limit`.")
