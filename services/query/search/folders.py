"""The collection's folders: what lies below a path, with counts and a cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.browsing import Folder
from shared.snapshots.items import ItemsFile


def folders_below(
    files: Sequence[ItemsFile],
    superseded: Sequence[NDArray[np.int64]],
    deleted: NDArray[np.int64],
    path: str,
) -> list[tuple[Folder, int]]:
    """Return the folders right below a path by name, each with the ordinal of its newest image."""
    start = f"{path}/" if path else ""
    counts: dict[str, int] = {}
    newest: dict[str, int] = {}
    for file, old in zip(files, superseded, strict=True):
        gone = np.isin(file.ordinals, old) | np.isin(file.ordinals, deleted)
        numbers, live = file.folders.of_row[~gone], file.ordinals[~gone]
        names = file.folders.names
        of_folder = np.bincount(numbers, minlength=len(names)).tolist()
        last = np.full(len(names), -1, np.int64)
        np.maximum.at(last, numbers, live)
        for folder, count, latest in zip(names, of_folder, last.tolist(), strict=True):
            if not count or not folder or not folder.startswith(start) or folder == path:
                continue
            name = folder[len(start) :].split("/", 1)[0]
            counts[name] = counts.get(name, 0) + count
            newest[name] = max(newest.get(name, -1), latest)
    return [
        (Folder(path=start + name, name=name, count=counts[name]), newest[name])
        for name in sorted(counts, key=lambda name: (name.casefold(), name))
    ]
