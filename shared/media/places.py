"""Names of places on Earth: the town that a person would name for a coordinate, and its country.

The names are those of GeoNames (CC BY 4.0), packaged: nothing is asked of any other machine.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

CITY, COUNTRY = "city", "country"
_EARTH_KM = 6371.0
_TOWN_KM = 50.0
"""A town farther away than this isn't where the picture was taken."""
_COUNTRY_KM = 200.0
_REACH_KM, _FARTHEST_REACH_KM = 0.006, 10.0
"""Kilometres from its centre that a town reaches, for the root of its inhabitants; and at most."""


@dataclass(frozen=True)
class _Towns:
    """vectors: of each on the unit sphere. reach: as a length in it."""

    vectors: NDArray[np.float32]
    reach: NDArray[np.float32]
    names: list[bytes]
    countries: NDArray[np.int16]
    country_names: list[str]


def named(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with the names of their place, and without those of another."""
    found = {key: value for key, value in facts.items() if key not in (CITY, COUNTRY)}
    latitude, longitude = found.get("latitude"), found.get("longitude")
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        # Some hundred metres lie in no other town.
        city, country = _names_at(round(latitude, 3), round(longitude, 3))
        found |= {CITY: city} if city else {}
        found |= {COUNTRY: country} if country else {}
    return found


@lru_cache(16_384)
def _names_at(latitude: float, longitude: float) -> tuple[str | None, str | None]:
    """Return the names of the town and the country at a place; None where there is none near.

    A large town reaches farther than a small one: a picture of its outskirts is still of it.
    """
    towns = _towns()
    # Of differences, as products of unit vectors in float32 tell nothing below a few kilometres.
    away = np.sqrt(np.square(towns.vectors - _vectors(latitude, longitude)).sum(axis=1))
    nearest = int(np.argmin(away - towns.reach))
    kilometres = float(away[nearest]) * _EARTH_KM
    if kilometres > _COUNTRY_KM:
        return None, None
    country = towns.country_names[towns.countries[nearest]]
    return towns.names[nearest].decode() if kilometres <= _TOWN_KM else None, country


@cache
def _towns() -> _Towns:
    data = (resources.files("shared.media") / "places.tsv.gz").read_bytes()
    countries, _, towns = gzip.decompress(data).partition(b"\n\n")
    codes = [line.split("\t") for line in countries.decode().splitlines()]
    numbers = {code.encode(): number for number, (code, _) in enumerate(codes)}
    rows = [line.split(b"\t") for line in towns.splitlines()]
    places = np.array([row[2:] for row in rows], np.float64)
    reach = np.minimum(np.sqrt(places[:, 2]) * _REACH_KM, _FARTHEST_REACH_KM)
    return _Towns(
        _vectors(places[:, 0], places[:, 1]),
        (reach / _EARTH_KM).astype(np.float32),
        [row[1] for row in rows],
        np.array([numbers[row[0]] for row in rows], np.int16),
        [name for _, name in codes],
    )


def _vectors(latitude: Any, longitude: Any) -> NDArray[np.float32]:
    """Return places on the unit sphere, (..., 3)."""
    north, east = np.radians(latitude), np.radians(longitude)
    parts = np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)
    return np.stack(parts, axis=-1).astype(np.float32)
