"""Places of images on a map, joined by cells of a grid."""

import numpy as np

from services.query.search.collection import Collection
from services.query.search.order import View
from shared.contracts.browsing import MapCell, MapCells


def cells_of(collection: Collection, view: View, size: float, limit: int) -> MapCells:
    """Return the cells that images lie in, the fullest first. size: of a cell's side, in degrees.

    The first image of the view is the cover of its cell.
    """
    alive = np.zeros(collection.newest + 1, bool)
    alive[view.ordinals] = True
    north = np.full(len(alive), np.nan)
    east = np.full(len(alive), np.nan)
    for file, valid in collection.records(alive):
        images, latitudes, longitudes = file.places
        kept = valid[images]
        north[images[kept]], east[images[kept]] = latitudes[kept], longitudes[kept]
    placed = view.ordinals[~np.isnan(north[view.ordinals])]
    north, east = north[placed], east[placed]
    rows, columns = np.floor((north + 90) / size), np.floor((east + 180) / size)
    numbers = (rows * (np.ceil(360 / size) + 1) + columns).astype(np.int64)
    _, first, cell, counts = np.unique(
        numbers, return_index=True, return_inverse=True, return_counts=True
    )
    bounds = []
    for values in (north, east):
        least, most = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
        np.minimum.at(least, cell, values)
        np.maximum.at(most, cell, values)
        bounds.append((least, most, np.bincount(cell, values, len(counts)) / counts))
    (south, top, middle), (west, right, centre) = bounds
    found = []
    for at in np.argsort(-counts, kind="stable")[:limit].tolist():
        cover = collection.item(int(placed[first[at]]))
        if cover is None:
            continue
        found.append(
            MapCell(
                latitude=round(float(middle[at]), 6),
                longitude=round(float(centre[at]), 6),
                south=float(south[at]),
                north=float(top[at]),
                west=float(west[at]),
                east=float(right[at]),
                count=int(counts[at]),
                cover=cover.id,
                city=cover.file.get("city"),
                country=cover.file.get("country"),
            )
        )
    return MapCells(cells=found, placed=len(placed), total=len(view), complete=len(counts) <= limit)
